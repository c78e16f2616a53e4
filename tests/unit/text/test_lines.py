"""What a line is, and what is cleaned off it: one answer for the whole project."""

import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vq_nat.files import BadFile
from vq_nat.text import lines as module
from vq_nat.text.lines import (
    NotUTF8Error,
    clean,
    decode_lines,
    in_batches,
    read_lines,
)

NFD = unicodedata.normalize("NFD", "für den Bären")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\nc\n", ["a\rb", "c"]),
        ("a\u2028b\x85c\x0cd\n".encode(), ["a\u2028b\x85c\x0cd"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"a\n\n", ["a", ""]),
    ],
)
def test_only_a_line_feed_ends_a_line(
    tmp_path: Path, content: bytes, lines: list[str]
) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    assert read_lines(path) == lines


def test_what_is_not_utf8_is_named() -> None:
    lines = decode_lines(io.BytesIO(b"a\nb\xfc\n"), "corpus.de")
    assert next(lines) == "a"
    with pytest.raises(NotUTF8Error, match=r"corpus.de, line 2: byte 2 .* \(0xfc\)"):
        next(lines)
    replaced = decode_lines(io.BytesIO(b"b\xfc\n"), "corpus.de", "replace")
    assert list(replaced) == ["b\ufffd"]


def test_a_line_without_end_is_not_read_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LINE", 4)
    path = tmp_path / "text"
    path.write_bytes(b"abc\nabcd\n")
    with pytest.raises(BadFile, match="text, line 2 must have at most 4 bytes"):
        read_lines(path)
    file = io.BytesIO(b"abc\n" + bytes(100))
    lines = decode_lines(file, "x")
    assert next(lines) == "abc"
    with pytest.raises(BadFile, match="x, line 2 must have"):
        next(lines)
    assert file.tell() == 4 + 5


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_lines(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_what_comes_before_a_failure_is_not_lost(size: int) -> None:
    def items():
        yield from "abcd"
        raise NotUTF8Error("no more")

    batched: list[str] = []
    with pytest.raises(NotUTF8Error, match="no more"):
        for batch in in_batches(items(), size):
            assert len(batch) <= size
            batched += batch
    assert batched == list("abcd")


@given(st.lists(st.integers()), st.integers(1, 5))
def test_batches_are_full_but_for_the_last(items: list[int], size: int) -> None:
    batches = list(in_batches(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (NFD, "für den Bären"),
        ("\ufeffa\u200bb \u202ac\u202c", "ab c"),
        ("Stra\u00dfen\u00adbahn", "Straßenbahn"),
        ("a\x00b\tc\u2028d\r", "a b c d"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs its non-joiner
        ("\ud83d\ude00 \ud800", "\U0001f600 \ufffd"),
        ("  ", ""),
    ],
)
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    once.encode()  # is text
