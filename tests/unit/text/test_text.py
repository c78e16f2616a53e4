"""What our text processing gives is what sacremoses, subword-nmt and fairseq give."""

import json
import re
import time
from argparse import Namespace
from pathlib import Path

import pytest
from fairseq.data import Dictionary as FairseqDictionary
from fairseq.data import encoders
from hypothesis import given, settings
from hypothesis import strategies as st
from sacremoses import MosesDetokenizer as SlowDetokenizer
from sacremoses import MosesPunctNormalizer
from sacremoses import MosesTokenizer as SlowTokenizer
from subword_nmt.apply_bpe import BPE

from data_prep.lib.text import apply_bpe
from vq_nat.text import characters
from vq_nat.text.codec import IndexCodec
from vq_nat.text.detokenizer import OTHERS, MosesDetokenizer
from vq_nat.text.dictionary import Dictionary
from vq_nat.text.memo import MOST, Memo
from vq_nat.text.punctuation import normalise
from vq_nat.text.subwords import BytePairs
from vq_nat.text.tokenizer import MosesTokenizer, prefixes_of

LANGUAGES = ("en", "de", "fr", "cs")
SLOW = {language: SlowTokenizer(language) for language in LANGUAGES}
SLOW_BACK = {language: SlowDetokenizer(language) for language in LANGUAGES}
SLOW_PUNCTUATION = MosesPunctNormalizer(
    "en", norm_quote_commas=False, norm_numbers=False
)
FAST = {language: MosesTokenizer(language) for language in LANGUAGES}
FAST_BACK = {language: MosesDetokenizer(language) for language in LANGUAGES}

LINES = [
    "",
    " ",
    "A man rides a bike.",
    "Mr. Smith, who's 5,300 years old, isn't here...",
    "'Hello' 'world' said the dogs' '90s fans.",
    "a ' ' b ' 'c' 'd 5' '6 ' ",
    "x' 'y 5' '5 ' '5",
    ",5 a, ,b 1,2 1,a a,1 1, ,, ,",
    "No. 5 is No. x at 10 a.m. in the U.S. of A. and so on. and No.",
    "e.g. this vs. that. Then.",
    "ends with quote.' ",
    "ends '.'",
    "the last is 5,",
    ".. ... a..b .x. ..x x.. DOTMULTI DOTDOTMULTI .",
    "re-use -a b- 1-2 a--b – — self-ex.-planatory",
    "a/b a&b <x> [y] {z} | \" ` `` '' # @ @-@ @handle &amp; &#91; &lt;",
    "“Quotes” „deutsche“ ‘single’ ‚low‘ «guillemets» « spaced » don’t ’tis",
    "5 % : ; ? ! ( a ) ( b ) , (c), ) . 3 % x :y ;z",
    "non\u00a0breaking 5\u00a0% \u00a0: ,\u00a0x nº\u00a05 \u00a0cm 20\u00a0ºC",
    "tab\there\r and\x0bthere\x0c\x85 \u2028 x\u2003y",
    "control \x01 in\x02side \x1f end",
    "½ ² ª º µ ß ẞ Ł ŧ 中国 日本 한국 ｆｕｌｌ 🙂 a\u0345b \u25cc",
    "€5 $5 £ ¥100 100€ ¿Qué? ¡Sí! 50°C",
    "l'homme d'or aujourd'hui qu'il dell'arte",
    "Straße. groß. x. Y. 1. z.1 A.B. .A",
    "10. Januar Nr. 5 bzw. usw. z.B. d.h. Dr. Müller",
]


def reference_tokens(language: str, line: str) -> list[str]:
    return (
        SLOW[language]
        .tokenize(line, aggressive_dash_splits=True, return_str=True)
        .split()
    )


def reference_join(language: str, line: str) -> str:
    return SLOW_BACK[language].detokenize(line.split())


def letters() -> st.SearchStrategy[str]:
    usual = st.sampled_from(" '.,-\"aAbs15")
    unusual = st.sampled_from("`´‘’“”„–—…«»\u00a0():;%!?&|<>[]{}@#$€¿\t\rßÉдΩ中½\x01")
    return st.text(st.one_of(usual, usual, unusual, st.characters(codec="utf-8")))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("line", LINES)
def test_lines_are_cut_as_by_sacremoses(language: str, line: str) -> None:
    for text in (line, normalise(line)):
        assert FAST[language].tokens(text) == reference_tokens(language, text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("line", LINES)
def test_lines_are_joined_as_by_sacremoses(language: str, line: str) -> None:
    for text in (line, " ".join(reference_tokens(language, line))):
        assert FAST_BACK[language].decode(text) == reference_join(language, text)


@pytest.mark.parametrize("line", LINES)
def test_punctuation_is_normalised_as_by_sacremoses(line: str) -> None:
    assert normalise(line) == SLOW_PUNCTUATION.normalize(line)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(line=letters(), language=st.sampled_from(LANGUAGES))
def test_any_line_is_processed_as_by_sacremoses(line: str, language: str) -> None:
    text = normalise(line)
    assert text == SLOW_PUNCTUATION.normalize(line)
    for given_text in (line, text):
        tokens = reference_tokens(language, given_text)
        assert FAST[language].tokens(given_text) == tokens
        joined = " ".join(tokens)
        assert FAST_BACK[language].decode(joined) == reference_join(language, joined)


def test_known_characters_have_the_classes_of_moses() -> None:
    for name, ours in (
        ("IsAlpha", characters.letter),
        ("IsAlnum", characters.letter_or_digit),
        ("IsLower", str.islower),
    ):
        listed = set(getattr(SlowTokenizer, name))
        assert [c for c in characters.KNOWN if ours(c) != (c in listed)] == []
    # These lists have a line feed as well: it is white space before they are asked.
    for listed, ours in (
        (SlowDetokenizer.IsSc, characters.currency),
        (SlowTokenizer.IsN, characters.number),
    ):
        other = set(listed) - {"\n"}
        assert [c for c in characters.KNOWN if ours(c) != (c in other)] == []


def test_a_language_with_rules_of_its_own_is_left_to_sacremoses() -> None:
    assert FAST_BACK["fr"].decode("l' homme est l' ami ?") == "l'homme est l'ami ?"
    assert "fr" in OTHERS


def test_known_text_needs_no_sacremoses() -> None:
    tokenizer = MosesTokenizer("en", prefixes_of("en"))
    tokenizer.tokens("Mr. O'Neil’s “words” – 5 % … naïve!")
    assert "_sacremoses" not in tokenizer.__dict__
    tokenizer.tokens("中国")
    assert "_sacremoses" in tokenizer.__dict__


# ----------------------------------------------------------------------------- subwords

MERGES = "#version: 0.2\nn o\na n\nl o\nlo w\nlow er</w>\nan a\nana n\nb b\n"


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    path = tmp_path / "bpe.codes"
    path.write_text(MERGES)
    return path


@pytest.mark.parametrize("header", ["#version: 0.2\n", ""])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(word=st.text("banlower</w>", min_size=1, max_size=12))
def test_words_are_cut_as_by_subword_nmt(
    tmp_path_factory: pytest.TempPathFactory, header: str, word: str
) -> None:
    path = tmp_path_factory.mktemp("bpe") / "bpe.codes"
    path.write_text(MERGES.replace("#version: 0.2\n", header))
    with open(path, encoding="utf-8") as file:
        expected = BPE(file).segment_tokens([word])
    pairs = BytePairs(path)
    assert pairs.pieces([word]) == expected
    assert pairs.decode(" ".join(expected)) == word


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    merges=st.lists(st.sampled_from(["a b", "b a", "ab a", "a a", "aa a", "b b</w>"])),
    word=st.text("ab", min_size=1, max_size=30),
)
def test_any_merges_in_any_order_are_those_of_subword_nmt(
    tmp_path_factory: pytest.TempPathFactory, merges: list[str], word: str
) -> None:
    """A pair may stand twice; the first place counts."""
    path = tmp_path_factory.mktemp("bpe") / "bpe.codes"
    path.write_text("\n".join(["#version: 0.2", *merges, "x y", ""]))
    with open(path, encoding="utf-8") as file:
        expected = BPE(file).segment_tokens([word])
    assert BytePairs(path).pieces([word]) == expected


def test_a_word_without_end_is_cut_in_time(codes: Path) -> None:
    """A million letters take a second; quadratic time would be hours."""
    word = "banlow" * (10**6 // 6)
    start = time.process_time()
    pieces = BytePairs(codes).pieces([word])
    assert time.process_time() - start < 60
    assert "".join(piece.removesuffix("@@") for piece in pieces) == word
    assert apply_bpe(f"low {word[:3000]}", codes).split() == [
        *BytePairs(codes).pieces(["low", word[:3000]])
    ]


def test_merges_that_are_none_are_refused(codes: Path) -> None:
    codes.write_text(MERGES + "a b c\n")
    with pytest.raises(ValueError, match="two subwords a line, but has 'a b c'"):
        BytePairs(codes)
    codes.write_text("#version: 0.3\na b\n")
    with pytest.raises(ValueError, match=r"version 0\.2, but has those of 0\.3"):
        BytePairs(codes)


# --------------------------------------------------------------------------- dictionary


def test_dictionary_is_that_of_fairseq(tmp_path: Path) -> None:
    path = tmp_path / "dict.en.txt"
    path.write_text("the 5\nla@@ 3\n<pad> 2 #fairseq:overwrite\n⁇ 1\nx 0\n")
    ours, theirs = Dictionary.load(path), FairseqDictionary.load(str(path))
    assert ours.symbols == theirs.symbols
    assert ours.indices == theirs.indices
    for symbol in ("the", "la@@", "nowhere", "<pad>", "</s>"):
        assert ours.index(symbol) == theirs.index(symbol)
    assert [ours[i] for i in (0, 5, 99)] == [theirs[i] for i in (0, 5, 99)]
    signs = [ours.bos(), ours.pad(), ours.eos(), ours.unk()]
    assert signs == [theirs.bos(), theirs.pad(), theirs.eos(), theirs.unk()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the\n", "\"SYMBOL COUNT\", but has 'the'"),
        ("a 1\na 2\n", "a symbol once, but has 'a' twice"),
        ("ü 1\n", "dict.en.txt must be a dictionary, but cannot be read as one"),
    ],
)
def test_a_dictionary_that_is_none_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "dict.en.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=re.escape(message)):
        Dictionary.load(path)


# -------------------------------------------------------------------------------- codec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bpe.codes").write_text("#version: 0.2\nl o\nlo w</w>\n")
    (tmp_path / "dict.en.txt").write_text(
        "low 3\nl@@ 2\n. 2\n&apos;s 2\n<pad> 1 #fairseq:overwrite\n"
    )
    recipe = {"source_lang": "en", "target_lang": "de"}
    recipe |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    (tmp_path / "text.json").write_text(json.dumps(recipe))
    return tmp_path


def test_sentences_become_the_indices_of_fairseq(folder: Path) -> None:
    dictionary = FairseqDictionary.load(str(folder / "dict.en.txt"))
    bpe = encoders.build_bpe(
        Namespace(bpe="subword_nmt", bpe_codes=str(folder / "bpe.codes"))
    )
    codec = IndexCodec(folder, Dictionary.load(folder / "dict.en.txt"), dictionary)
    for line in ("low's low.", "", "ll slow <pad> </s> low"):
        words = " ".join(reference_tokens("en", line))
        expected = dictionary.encode_line(bpe.encode(words), add_if_not_exist=False)
        expected[:-1][expected[:-1] < 4] = 3
        assert codec.source_indices(line) == expected.tolist()
        assert codec.target_indices(line) == codec.source_indices(line)


def test_signs_are_silent_and_unknown_words_seen(folder: Path) -> None:
    dictionary = Dictionary.load(folder / "dict.en.txt")
    codec = IndexCodec(folder, dictionary, dictionary)
    low, dot = dictionary.index("low"), dictionary.index(".")
    assert codec.sentence([0, low, 3, dot, 2]) == "low ⁇."


def test_unknown_ways_to_prepare_text_are_refused(folder: Path) -> None:
    recipe = json.loads((folder / "text.json").read_text())
    (folder / "text.json").write_text(json.dumps({**recipe, "tokenizer": "nltk"}))
    dictionary = Dictionary([])
    with pytest.raises(ValueError, match="one of moses, space, but is 'nltk'"):
        IndexCodec(folder, dictionary, dictionary)


def test_what_is_remembered_stays_small() -> None:
    memo: Memo[int, int] = Memo(lambda key: key + 1)
    assert all(memo[key] == key + 1 for key in range(MOST + 10))
    assert len(memo) == 10
