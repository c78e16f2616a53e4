"""Quotation marks of targets: kept in training and in use, and put where they were."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacremoses import MosesDetokenizer as SlowDetokenizer

from data_prep.lib.text import apply_bpe, detokenize, normalize, tokenize, undo_bpe
from vq_nat.files import BadFile
from vq_nat.text.codec import IndexCodec, Moses
from vq_nat.text.dictionary import Dictionary
from vq_nat.text.punctuation import normalise
from vq_nat.text.quotes import MARKS, join, opening

KEPT = {
    "de": [
        "Er sagt: „Ja“, dann geht er.",
        "„Das“, sagte er, „ist gut.“",
        "Sie rief »Halt!« und ging.",
        "Er liest «Die Zeit» (und »nur das«).",
        "Das „Star-Wars“-Haus, ein Anti-„Brexit“-Plakat.",
        "Er sagte “Hallo” zu mir.",
        "Das ist das Ende.“ Er ging.",
        "„Er sagte: 'Ja'“",
        "„Nein.“",
        "und dann war Schluss.“",
        "„Und dann war Schluss.",
    ],
    "en": [
        "“Hello,” he said, “it's me.”",
        "He said “yes”.",
        "The “best” have gone (“really”).",
        "So it ended.” He left.",
        "“And so it began.",
        "the end.”",
        "He reads «Le Monde» daily.",
        "“Who's there?” - “„Die Welt“.”",
    ],
    "fr": [
        "Il dit «\u00a0bonjour\u00a0» à tous.",
        "«\u00a0Oui\u00a0», dit-il.",
        "L'émission «\u00a0Arte\u00a0» de “ce soir”.",
        "et la fin.\u00a0» Il part.",
    ],
}
PAIRS = [(language, line) for language, lines in KEPT.items() for line in lines]


def bpe_codes(folder: Path) -> Path:
    """Writes one merge."""
    path = folder / "bpe.codes"
    path.write_text("#version: 0.2\ne r</w>\n")
    return path


def folder_for(path: Path, words: str, **said: object) -> IndexCodec:
    """Returns a codec of a text from German into the language of these words."""
    text = {"tokenizer": "moses", "bpe": "subword_nmt", **said}
    (path / "text.json").write_text(json.dumps(text))
    pieces = dict.fromkeys(apply_bpe(words, bpe_codes(path)).split())
    (path / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces))
    dictionary = Dictionary.load(path / "dict.txt")
    return IndexCodec(path, dictionary, dictionary)


@pytest.mark.parametrize("language, raw", PAIRS)
def test_a_target_comes_back_with_its_marks(
    language: str, raw: str, tmp_path: Path
) -> None:
    words = tokenize(raw, language, plain_quotes=False)
    pieces = apply_bpe(words, bpe_codes(tmp_path))
    assert detokenize(undo_bpe(pieces), language, plain_quotes=False) == raw
    languages = {"source_lang": "x", "target_lang": language}
    codec = folder_for(tmp_path, words, **languages, plain_quotes=["x"])
    indices = codec.target_indices(raw)
    assert codec.target.unk() not in indices
    assert codec.sentence(indices) == raw


@pytest.mark.parametrize("language, raw", PAIRS)
def test_a_text_that_says_nothing_has_straight_marks_alone(
    language: str, raw: str, tmp_path: Path
) -> None:
    words = tokenize(raw, language)
    assert not set(words) & set(MARKS)
    languages = {"source_lang": "x", "target_lang": language}
    codec = folder_for(tmp_path, words, **languages)
    plain = SlowDetokenizer(language).detokenize(words.split())
    assert codec.sentence(codec.target_indices(raw)) == plain
    assert codec.target.unk() not in codec.target_indices(raw)


def test_sources_are_as_before_and_directions_can_be_turned(tmp_path: Path) -> None:
    raw = "„Ja“, er"
    words = tokenize(raw, "de", plain_quotes=False) + " " + tokenize(raw, "en")
    text = {"source_lang": "en", "target_lang": "de", "plain_quotes": ["en"]}
    codec = folder_for(tmp_path, words, **text)
    turned = IndexCodec(tmp_path, codec.source, codec.target, ("de", "en"))
    kept, plain = ("„ Ja “ , er", "&quot; Ja &quot; , er")
    for indices, wanted in (
        (codec.source_indices(raw), plain),
        (codec.target_indices(raw), kept),
        (turned.source_indices(raw), kept),
        (turned.target_indices(raw), plain),
    ):
        assert undo_bpe(" ".join(codec.names(indices[:-1]))) == wanted


def test_the_list_of_languages_is_checked(tmp_path: Path) -> None:
    text = {"source_lang": "en", "target_lang": "de", "plain_quotes": "en"}
    with pytest.raises(BadFile, match="must be a list of languages, but is 'en' inst"):
        folder_for(tmp_path, "a", **text)


TOKENS = st.lists(
    st.sampled_from([*MARKS, *MARKS, *"ab.,:()-'\"", "Wort", "-x", "x-", "'s", "l'"]),
    max_size=12,
).map(" ".join)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=TOKENS, language=st.sampled_from(["de", "en", "fr", "sv", "cs"]))
@example("„ „ “ “ ” ” « »", "de")
def test_both_joiners_agree_and_lose_nothing(text: str, language: str) -> None:
    fast = Moses("en", language, None, plain_quotes=False).decode(text)
    assert fast == detokenize(text, language, plain_quotes=False)
    kept = [c for c in text if c in MARKS]
    assert [c for c in fast if c in MARKS] == kept
    assert len(opening(text.split(), language)) == len(kept)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(st.sampled_from([*MARKS, *"ab .,'`´‘’–…%()\u00a0"])))
def test_both_doors_normalise_alike(text: str) -> None:
    kept = normalize(text, "de", plain_quotes=False)
    assert " ".join(normalise(text, plain_quotes=False).split()) == kept
    assert [c for c in kept if c in MARKS] == [c for c in text if c in MARKS]
    assert not set(normalise(text)) & set(MARKS)


def test_without_marks_a_line_is_joined_as_ever() -> None:
    assert join("a b .", "de", lambda text: f"<{text}>") == "<a b .>"
