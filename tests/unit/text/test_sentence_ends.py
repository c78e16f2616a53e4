"""A line that is too long is taken apart at its sentences' ends; all of it stays."""

import json
import string

import pytest
import sentencex
from hypothesis import given, settings
from hypothesis import strategies as st

from vq_nat.text.codec import IndexCodec
from vq_nat.text.dictionary import Dictionary
from vq_nat.text.lines import clean
from vq_nat.text.punctuation import normalise
from vq_nat.text.sentences import ONE_BYTE, PIECE, Limits, split

LANGUAGES = ("en", "de", "zh-CN", "")
ENDS = [
    ". ",
    "! ",
    "? ",
    "... ",
    ".” ",
    "Mr. ",
    "z. B. ",
    "3. ",
    "\n",
    "\u2028",
    "\xa0",
]


def texts() -> st.SearchStrategy[str]:
    word = st.text("abcXYZ'-,.", min_size=1, max_size=8)
    any_sign = st.characters(codec="utf-8")
    return st.lists(st.one_of(word, word, st.sampled_from(ENDS), any_sign)).map("".join)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=texts(), language=st.sampled_from(LANGUAGES))
def test_sentences_joined_are_the_line(text: str, language: str) -> None:
    sentences = split(text, language)
    assert "".join(sentences) == text
    assert all(sentences) or not text


def test_ends_are_those_of_the_language() -> None:
    english = 'Mr. Smith paid 3.50 dollars, e.g. for tea. He left. "Why?" she asked.'
    assert split(english, "en") == [
        "Mr. Smith paid 3.50 dollars, e.g. for tea. ",
        "He left. ",
        '"Why?" she asked.',
    ]
    german = "Am 3. Mai kam er z. B. um 8 Uhr. Dann\xa0ging er. Wohin?"
    assert split(german, "de") == [
        "Am 3. Mai kam er z. B. um 8 Uhr. ",
        "Dann\xa0ging er. ",
        "Wohin?",
    ]


def test_every_white_space_has_one_byte_for_the_splitter() -> None:
    every = "".join(map(chr, range(0xD800))) + chr(0xFEFF)
    spaces = "".join(filter(str.isspace, every)).translate(ONE_BYTE)
    assert len(spaces.encode()) == len(spaces) == 29


class PanicException(BaseException):
    """What a panic of Rust looks like."""


@pytest.mark.parametrize("error", [PanicException("panicked"), ValueError("no")])
def test_a_line_outlives_its_splitter(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(language: str, text: str) -> list[str]:
        raise error

    monkeypatch.setattr(sentencex, "segment", fail)
    assert split("One. Two.", "en") == ["One. Two."]
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        split("One. Two.", "en")


def test_a_splitter_that_loses_text_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sentencex, "segment", lambda language, text: [text[:-1]])
    assert split("One. Two.", "en") == ["One. Two."]


@pytest.mark.parametrize(
    ("most", "trained", "expected"),
    [
        (1024, None, (PIECE, PIECE)),
        (64, None, (64, 64)),
        (1024, 40, (40, PIECE)),
        (1024, 300, (300, 300)),
        (200, 300, (200, 200)),
        (1024, "40", (PIECE, PIECE)),
        (1024, 0, (PIECE, PIECE)),
    ],
)
def test_limits_are_those_of_the_training(most, trained, expected) -> None:
    assert Limits.of(most, trained) == expected


# ------------------------------------------------------------------------- with a codec

KNOWN = string.ascii_letters + string.digits + ".,!?-"


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> IndexCodec:
    """Cuts into characters, so that no character is unknown."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "bpe.codes").write_text("#version: 0.2\nq q\n")
    symbols = [f"{c}{mark}" for c in KNOWN for mark in ("", "@@")] + ["@@@", "@-@"]
    symbols += ["@@@@", "@"]
    (folder / "dict.en.txt").write_text("".join(f"{s} 1\n" for s in symbols))
    recipe = {"source_lang": "en", "target_lang": "de"}
    recipe |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    (folder / "text.json").write_text(json.dumps(recipe))
    dictionary = Dictionary.load(folder / "dict.en.txt")
    return IndexCodec(folder, dictionary, dictionary)


def letters(text: str) -> str:
    """Returns what must neither be lost nor doubled."""
    return "".join(text.split())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    line=st.text(KNOWN + "   ", max_size=120),
    limits=st.tuples(st.integers(2, 20), st.integers(4, 20)).map(lambda t: Limits(*t)),
)
def test_pieces_hold_all_of_a_line_once(
    codec: IndexCodec, line: str, limits: Limits
) -> None:
    pieces = codec.source_pieces(line, limits)
    most = max(limits)
    assert all(1 < len(piece) <= most for piece in pieces)
    assert all(piece[-1] == 2 and 2 not in piece[:-1] for piece in pieces)
    words = "".join(codec.source[index] for piece in pieces for index in piece[:-1])
    joined = words.replace("@-@", "-").replace("@@", "")
    assert joined == letters(normalise(clean(line)))


def test_sentences_are_taken_one_by_one(codec: IndexCodec) -> None:
    line = "The first one. The second, of Mr. Smith! Third"
    ends = ["The first one.", "The second, of Mr. Smith!", "Third"]
    apart = [codec.source_indices(sentence) for sentence in ends]
    assert codec.source_pieces(line, Limits(20, 100)) == apart
    whole = codec.source_indices(line)
    assert codec.source_pieces(line, Limits(len(whole), 100)) == [whole]
    assert codec.source_pieces("", Limits(20, 100)) == []
    assert codec.source_pieces("  ", Limits(20, 100)) == []


def test_pieces_end_with_words_where_they_can(codec: IndexCodec) -> None:
    part, word = codec.source.index("x@@"), codec.source.index("a")
    tokens = [*[word, part, word, part, part, word] * 5, 2]
    pieces = codec.cut(tokens, 8)
    assert [index for piece in pieces for index in piece[:-1]] == tokens[:-1]
    assert all(len(piece) <= 8 and piece[-2] == word for piece in pieces)
    assert [len(piece) for piece in codec.cut([part] * 20 + [2], 8)] == [8, 8, 7]


def test_pieces_of_sentencepiece_begin_with_words(
    codec: IndexCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "spaced", True)
    begin, inner = 4, 5
    codec_symbols = [*codec.source.symbols]
    codec_symbols[begin] = "▁x"
    monkeypatch.setattr(codec.source, "symbols", codec_symbols)
    tokens = [*[begin, inner, begin, inner, inner, begin] * 5, 2]
    pieces = codec.cut(tokens, 8)
    assert [index for piece in pieces for index in piece[:-1]] == tokens[:-1]
    assert all(len(piece) <= 8 and piece[0] == begin for piece in pieces)
