"""Languages: what they are called, and which one a text is in."""

from functools import cache
from typing import Any, NamedTuple


class Detected(NamedTuple):
    """A language and how sure it is."""

    language: str
    confidence: float  # percent


def name_of(code: str) -> str:
    """Returns a language's English name, or its code if nobody knows it."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(code, sep="-").english_name or code
    except (UnknownLocaleError, ValueError):
        return code


@cache
def identifier(codes: tuple[str, ...]) -> Any:
    """Returns what tells languages apart, None if it knows too few of them.

    It needs half a second to load, which only who asks for it shall pay.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = [code for code in codes if code in model.labels]
    if len(known) < 2:
        return None
    model.set_languages(known)
    return model


def detect(text: str, languages: tuple[str, str]) -> list[Detected]:
    """Tells which of a model's languages a text is in, the likeliest first.

    Args:
        text: of any length.
        languages: source and target; where they are not known, the source is returned
            with confidence 0.
    """
    judge = identifier(languages)
    if judge is None or not text.strip():
        return [Detected(languages[0], 0.0)]
    return [Detected(code, round(100 * float(p), 1)) for code, p in judge.rank(text)]
