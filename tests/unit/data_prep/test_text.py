"""Tests of text.py: reading lines, words and back."""

from pathlib import Path

import pytest

from data_prep.lib.text import apply_bpe, detokenize, read_lines, tokenize, undo_bpe


@pytest.mark.parametrize(
    ("lang", "sentence"),
    [
        ("en", "A well-known man doesn't ride Anna's bike, does he?"),
        ("en", 'She says "hello" & leaves at 2 p.m. (again).'),
        ("en", "A | piped [text] costs $3.50 < or 20% less."),
        ("de", "Der Zug fährt am 3. Mai um halb drei ab."),
        ("de", "Das Bier (0,5 l) kostet 3,50 Euro; der E-Mail-Dienst: nichts!"),
    ],
)
def test_detokenize_undoes_tokenize(lang: str, sentence: str) -> None:
    words = tokenize(sentence, lang)
    assert words != sentence
    assert detokenize(words, lang) == sentence


@pytest.mark.parametrize("lang", ["en", "de"])
def test_words_are_those_of_fairseq(lang: str) -> None:
    moses = pytest.importorskip("fairseq.data.encoders.moses_tokenizer")
    config = moses.MosesTokenizerConfig(source_lang=lang, target_lang=lang)
    tokenizer = moses.MosesTokenizer(config)
    for sentence in (
        "A well-known man doesn't ride Anna's bike.",
        "Um 14:30 Uhr & am 3. Mai sagt er: das ist's, z. B. [hier] | da.",
    ):
        assert tokenize(sentence, lang) == tokenizer.encode(sentence)
        words = tokenize(sentence, lang)
        assert detokenize(words, lang) == tokenizer.decode(words)


def test_punctuation_is_normalised() -> None:
    assert tokenize("Er sagt „ja“ – oft.", "de") == tokenize(
        'Er sagt "ja" - oft.', "de"
    )
    assert tokenize("10\u00a0000 Euro", "de") == "10 000 Euro"


def test_bpe_is_undone(tmp_path: Path) -> None:
    codes = tmp_path / "codes"
    codes.write_text("#version: 0.2\na b\nab c</w>\n")
    assert apply_bpe("abc ab @-@ b", codes) == "abc a@@ b @@@ -@@ @ b"
    assert undo_bpe(apply_bpe("abc ab @-@ b", codes)) == "abc ab @-@ b"


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeffone\u2028more \r\ntwo\x0b\x85three\n \nfour".encode())
    assert list(read_lines(path)) == ["one\u2028more", "two\x0b\x85three", "", "four"]
    assert "\n" not in tokenize("one\u2028more", "en")
    assert tokenize("one\u2028more", "en").split("\u2028") == ["one more"]
