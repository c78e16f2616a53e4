"""Owns the quality of translations: BLEU, chrF, TER, COMET, exact hits, faults.

Everything is computed on raw (detokenised) text. A sentence may have any number of
references.
"""

from __future__ import annotations

from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from sacrebleu.metrics import CHRF

from ..translation.scores import bleu_of, ter_of


class Quality(NamedTuple):
    """Figures of one system on one test set."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    ter: float | None  # the lower the better
    ter_signature: str | None
    correct: float | None  # share of outputs among their references
    mixed: float | None  # share of outputs made of two of their references
    length_ratio: float  # words written / words of the closest references
    repetition_rate: float  # share of words equal to the word before


def score(
    outputs: list[str],
    references: list[list[str]],
    complete: bool = False,
    language: str = "",
) -> Quality:
    """Scores a system's outputs.

    Args:
        outputs: one translation per sentence.
        references: per sentence all its references.
        complete: whether the references are all correct translations, so that an output
            is either right or wrong; otherwise `correct` and `mixed` are None. With so
            many references sacrebleu's TER would take minutes, and `ter` is None.
        language: the target's, which tells BLEU and TER what a word is; "" if it is
            not known.

    Raises:
        ValueError: if the numbers of sentences differ, a sentence has no reference, or
            the language's tokeniser is not installed.
    """
    check(outputs, references)
    streams = reference_streams(references)
    metric, chrf = bleu_of(language), CHRF()
    ter = None if complete else ter_of(language)
    bleu = metric.corpus_score(outputs, streams)
    return Quality(
        bleu.score,
        str(metric.get_signature()),
        chrf.corpus_score(outputs, streams).score,
        str(chrf.get_signature()),
        None if ter is None else ter.corpus_score(outputs, streams).score,
        None if ter is None else str(ter.get_signature()),
        correct_share(outputs, references) if complete else None,
        mixed_share(outputs, references) if complete else None,
        bleu.ratio,
        repetition_rate(outputs),
    )


def comet(
    sources: list[str],
    outputs: list[str],
    references: list[str],
    model: str | None = None,
) -> float | None:
    """Scores by a learned metric (Rei et al. 2020), whose model is never downloaded.

    Args:
        sources: raw sentences.
        outputs: their translations.
        references: one for each.
        model: a checkpoint on this machine; None = no score.

    Returns:
        COMET's system score; None without a model.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if the package is not installed.
    """
    if model is None:
        return None
    if not Path(model).is_file():
        raise FileNotFoundError(f"the COMET model {model} does not exist.")
    try:
        from comet import load_from_checkpoint
    except ImportError:
        raise ValueError(
            "the package unbabel-comet must be installed to score with COMET, "
            "but is not."
        ) from None
    parts = zip(sources, outputs, references)
    data = [{"src": s, "mt": o, "ref": r} for s, o, r in parts]
    prediction = load_from_checkpoint(model).predict(data, gpus=0, progress_bar=False)
    return float(prediction.system_score)


def check(outputs: list[str], references: list[list[str]]) -> None:
    """Refuses what cannot be scored.

    Raises:
        ValueError: if the numbers of sentences differ or a sentence has no reference.
    """
    if not outputs or len(outputs) != len(references):
        raise ValueError(
            f"`outputs` must hold one translation for each of {len(references)} "
            f"sentences, but holds {len(outputs)} instead."
        )
    for number, of_one in enumerate(references, start=1):
        if not of_one:
            raise ValueError(
                f"`references` of sentence {number} must hold at least one, "
                "but are empty instead."
            )


def reference_streams(references: list[list[str]]) -> list[list[Any]]:
    """Turns references per sentence into sacrebleu's streams; what is missing is None.

    `[["a", "b"], ["c"]]` becomes `[["a", "c"], ["b", None]]`.
    """
    return [list(stream) for stream in zip_longest(*references)]


def correct_share(outputs: list[str], references: list[list[str]]) -> float:
    """Returns the share of outputs that are, letter by letter, among the references."""
    hits = [
        output.strip() in {reference.strip() for reference in of_one}
        for output, of_one in zip(outputs, references)
    ]
    return sum(hits) / len(hits)


def mixed_share(outputs: list[str], references: list[list[str]]) -> float:
    """Returns the share of outputs that mix two references.

    Such an output is not among the references, but begins like one of them and ends
    like another. It comes from a model that decides on each word by itself where
    several translations are right.
    """
    mixed = [
        is_mixed(output.split(), [reference.split() for reference in of_one])
        for output, of_one in zip(outputs, references)
    ]
    return sum(mixed) / len(mixed)


def is_mixed(words: list[str], references: list[list[str]]) -> bool:
    """Tells whether words are the beginning of one text and the end of another."""
    if words in references:
        return False
    begun = max(common_words(words, text) for text in references)
    ended = max(common_words(words[::-1], text[::-1]) for text in references)
    return begun > 0 and ended > 0 and begun + ended >= len(words)


def common_words(a: list[str], b: list[str]) -> int:
    """Counts the words with which both begin."""
    equal = (x == y for x, y in zip(a, b))
    return sum(1 for _ in takewhile(bool, equal))


def repetition_rate(outputs: list[str]) -> float:
    """Returns the share of words that repeat the word before.

    It is the fault that parallel decoders are known for.
    """
    words = [output.split() for output in outputs]
    repeated = sum(a == b for line in words for a, b in zip(line, line[1:]))
    return repeated / max(1, sum(len(line) for line in words))
