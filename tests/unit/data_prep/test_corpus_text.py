"""Tests of text.py: reading lines, words and back."""

import gzip
import json
import unicodedata
from pathlib import Path

import pytest
from fairseq.data import Dictionary

from data_prep.lib.steps import UserError
from data_prep.lib.text import (
    apply_bpe,
    detokenize,
    normalize,
    read_lines,
    tokenize,
    undo_bpe,
)
from vq_nat.text import lines
from vq_nat.translation.codec import TextCodec


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


@pytest.mark.parametrize("lang", ["en", "de"])
@pytest.mark.parametrize(
    "raw",
    [
        unicodedata.normalize("NFD", "Ein Mädchen läuft für Björn."),
        "\ufeffEin\u200b Mädchen\u2060 läuft für Bj\u00adörn.",
        "Ein Mädchen\u2028läuft\x00für Björn.",
    ],
)
def test_both_doors_clean_alike(tmp_path: Path, raw: str, lang: str) -> None:
    """Training's words are those of use, and those of the clean text."""
    text = {"source_lang": lang, "target_lang": lang}
    text |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    (tmp_path / "text.json").write_text(json.dumps(text))
    (tmp_path / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
    words = tokenize("Ein Mädchen läuft für Björn.", lang)
    assert tokenize(raw, lang) == words
    assert normalize(raw, lang) == "Ein Mädchen läuft für Björn."
    dictionary = Dictionary()
    for subword in apply_bpe(words, tmp_path / "bpe.codes").split():
        dictionary.add_symbol(subword)
    codec = TextCodec(tmp_path, dictionary, dictionary)
    for encode in (codec.encode, codec.encode_target):
        assert dictionary.unk() not in encode(raw)
        assert codec.decode(encode(raw)[:-1]) == "Ein Mädchen läuft für Björn."


def test_lines_are_counted_as_in_measuring(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"one\rhalf\ntwo\x0b\xc2\x85\n\nfour")
    counted = lines.read_lines(path)
    assert [line.strip() for line in counted] == list(read_lines(path))
    path.write_bytes(b"")
    assert lines.read_lines(path) == list(read_lines(path)) == []


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress("für\nalle\n".encode()))
    assert list(read_lines(path)) == ["für", "alle"]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="is not a complete .gz file"):
        list(read_lines(path))


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
