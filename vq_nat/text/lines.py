"""Owns plain text from outside: what a line is, and what is cleaned off it.

Training and use read and clean text by the same functions, so that a model sees in use
what it saw in training.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from ..files import BadFile

Item = TypeVar("Item")

# Marks without a width, of which a reader sees nothing: byte order mark, soft hyphen,
# zero-width space, word joiner, directions of writing. The zero-width joiner and
# non-joiner stay: Persian, Indic scripts and emoji are written with them.
INVISIBLE = "\ufeff\u00ad\u200b\u2060\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Control characters, and what other programs than ours take for the end of a line.
BLANK = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_INVISIBLE, _BLANK = re.compile(f"[{INVISIBLE}]"), re.compile(f"[{BLANK}]+")


MOST_LINE = 2**24  # bytes; what unpacks to one endless line must not fill the memory


class NotUTF8Error(BadFile):
    """A line that is not UTF-8."""


class EndlessLineError(BadFile):
    """A line that is too long for one."""


class Binary(Protocol):
    """A file that is open in binary mode."""

    def readline(self, size: int = -1, /) -> bytes:
        """Returns the next line, or as much of it."""


def lines_of(file: Binary, where: str) -> Iterator[bytes]:
    """Yields the lines of an open file, with their ends; only a line feed ends one.

    Args:
        file: open in binary mode; an empty one has no lines.
        where: its name, for the message.

    Raises:
        EndlessLineError: naming file and line.
    """
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise EndlessLineError(
                f"{where}, line {number} must have at most {MOST_LINE:,} bytes, but "
                "has more."
            )
        yield line


def decode_line(line: bytes, where: str, number: int, errors: str = "strict") -> str:
    """Returns a line without its end, which a carriage return may stand before.

    Args:
        line: as it was read.
        where: the file, for the message.
        number: of the line, from 1.
        errors: "strict", or "replace" what is not UTF-8 by U+FFFD.

    Raises:
        NotUTF8Error: naming file, line and byte.
    """
    try:
        text = line.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise NotUTF8Error(
            f"{where}, line {number}: byte {error.start + 1} of the line "
            f"(0x{line[error.start]:02x}) is not UTF-8."
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    return text.removeprefix("\ufeff") if number == 1 else text


def decode_lines(file: Binary, where: str, errors: str = "strict") -> Iterator[str]:
    """Yields the lines of an open binary file; only a line feed ends one.

    Other programs end lines at a lone carriage return or at U+2028 as well. In a corpus
    that shifts one side against the other.

    Args:
        file: open in binary mode; an empty one has no lines.
        where: its name, for the message.
        errors: see `decode_line`.

    Raises:
        NotUTF8Error: when the line is reached that is not UTF-8.
        EndlessLineError: when one is reached that is too long.
    """
    for number, line in enumerate(lines_of(file, where), start=1):
        yield decode_line(line, where, number, errors)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yields `size` items at a time; those before one that fails come before it does.

    Args:
        items: whatever; reading one may raise.
        size: of a batch.
    """
    batch: list[Item] = []
    reading = iter(items)
    while True:
        try:
            batch.append(next(reading))
        except StopIteration:
            break
        except Exception:
            if batch:
                yield batch
            raise
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a text file, see `decode_lines`.

    Raises:
        FileNotFoundError: if it does not exist.
        NotUTF8Error: if it is not UTF-8.
        EndlessLineError: if a line is too long.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the file {path} does not exist.")
    with open(path, "rb") as file:
        return list(decode_lines(file, str(path)))


def clean(text: str) -> str:
    """Returns a sentence as models read it.

    In Unicode's composed form (NFC): the tokeniser tears a letter and the accent that
    follows it apart. Without invisible marks; a control character becomes a blank, and
    what is not text at all (a lone surrogate) becomes U+FFFD.
    """
    if text.isprintable() and unicodedata.is_normalized("NFC", text):
        return text.strip()  # most sentences, for which speed matters
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _BLANK.sub(" ", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text).strip()
