"""Owns what a file can do wrong: one sentence with its name, whatever reads it.

A file may be cut off, another file, or made to do harm. What a library says of that is
a traceback, often without a name: `reading` turns it into `BadFile`. Sizes that a file
states are believed within bounds alone.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PathLike = str | Path
MOST_BYTES = 2**28  # of a file that is read as a whole, as text
OURS = ("vq_nat", "data_prep", "examples")  # whose errors are sentences already


class BadFile(ValueError):
    """A file that is not what it must be; its text is one sentence with its name."""


@contextmanager
def reading(path: PathLike, what: str) -> Iterator[None]:
    """Names the file whenever what reads it fails.

    Args:
        path: of the file.
        what: it must be, for instance "a checkpoint of fairseq".

    Raises:
        BadFile: in place of what is said of its content.
        OSError: if the file system says no; with the file's name.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # said by a library, of the content
            raise BadFile(sentence(path, what, error)) from error
        error.filename = error.filename or str(path)
        raise
    except (Exception, SystemExit) as error:  # a library may raise anything
        ours = type(error).__module__.partition(".")[0] in OURS
        if ours or (isinstance(error, ValueError) and str(path) in str(error)):
            raise
        raise BadFile(sentence(path, what, error)) from error


def sentence(path: PathLike, what: str, error: BaseException) -> str:
    """Says what a file must be, and in short why it is not."""
    return f"{path} must be {what}, but cannot be read as one: {reason(error)}."


def reason(error: BaseException, most: int = 200) -> str:
    """Returns what an error says in one line, cut off if that is long."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    if type(error) is pickle.UnpicklingError:  # torch's advises to run what it holds
        return "it is no file that torch reads as data alone"
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return said if len(said) <= most else f"{said[:most]}…"


def short(value: object, most: int = 80) -> str:
    """Returns how a value is written, cut off if it is long."""
    try:
        text = repr(value)
    except RecursionError:
        text = type(value).__name__
    return text if len(text) <= most else f"{text[:most]}…"


def read_bytes(path: PathLike, what: str, most: int = MOST_BYTES) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: if there is no such file.
        BadFile: if it is no file, or has more bytes than `most`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"the file {path} does not exist.")
    if not path.is_file():
        raise BadFile(f"{path} must be {what}, but is no file.")
    if path.stat().st_size > most:
        raise BadFile(
            f"{path} must be {what} of at most {most:,} bytes, but has "
            f"{path.stat().st_size:,}."
        )
    with reading(path, what):
        return path.read_bytes()


def read_text(path: PathLike, what: str, most: int = MOST_BYTES) -> str:
    """Reads a whole file of text.

    Raises:
        FileNotFoundError: if there is no such file.
        BadFile: if it is too large, or not UTF-8.
    """
    content = read_bytes(path, what, most)
    with reading(path, what):
        return content.decode("utf-8")


def read_json(
    path: PathLike, what: str, kind: type = dict, most: int = MOST_BYTES
) -> Any:
    """Reads a JSON file.

    Args:
        path: of the file.
        what: it must be.
        kind: of the whole: dict, or list.
        most: bytes that it may have.

    Raises:
        FileNotFoundError: if there is no such file.
        BadFile: if it is not JSON, or of another kind.
    """
    text = read_text(path, what, most)
    with reading(path, what):
        value = json.loads(text)
    if not isinstance(value, kind):
        raise BadFile(
            f"{path} must be {what}, a JSON {kind.__name__}, but is a "
            f"{type(value).__name__} instead."
        )
    return value


def sha256(path: PathLike) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file in a folder, by name."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: sha256(path) for path in files}


def check_hashes(folder: Path, known: Mapping[str, Any], said_in: PathLike) -> None:
    """Refuses a folder with a file that is not the one it was made with.

    Args:
        folder: that holds the files.
        known: their SHA-256 by name.
        said_in: the file that says so, for the sentence.

    Raises:
        BadFile: naming the file that is missing or another.
    """
    for name, digest in known.items():
        path = folder / name
        if path.name != name or not path.is_file():
            raise BadFile(
                f"{folder} must hold {name}, as {said_in} says, but has none."
            )
        if sha256(path) != digest:
            raise BadFile(
                f"{path} must be the file that {said_in} was written with, but has "
                "another content: it was changed, cut off or mixed up."
            )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields a folder to fill, which takes its place when it is complete.

    Args:
        out: the place, where nothing may be yet.

    Raises:
        ValueError: if something is.
        OSError: if it cannot be written; with its name.
    """
    if out.exists():
        raise ValueError(f"{out} must not exist yet, but does.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tmp-") as name:
            folder = Path(name) / "new"
            folder.mkdir()
            yield folder
            folder.rename(out)
    except OSError as error:
        # A write that fails does not know its file; a sentence of ours has no number.
        if error.errno is not None:
            error.filename = error.filename or str(out)
        raise
