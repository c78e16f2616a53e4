"""Owns what stands between a file and fairseq: nothing in a file is ever run.

One place for all doors, fairseq's own commands among them: its checkpoints are read
with `weights_only`, in every version of torch, and their options checked before it sees
them; its `eval` reads literals.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary, data_utils, indexed_dataset

from ..files import BadFile, PathLike, reading
from .checkpoint_options import check_options
from .literals import replace_eval
from .packed import is_packed, read_packed
from .refused import Refused, of_a_file

BINARY = "binary data that fairseq-preprocess wrote"
MAGIC = b"MMIDIDX\x00\x00"
HEADER = len(MAGIC) + 8 + 1 + 8  # version, type of the numbers, count
BLOCK = 2**22  # words looked at together
WORDS = "a dictionary of fairseq, a symbol and a number a line"


class GuardedTorch(ModuleType):
    """torch, as fairseq's reader of checkpoints sees it."""

    def __getattr__(self, name: str) -> Any:
        """Returns what torch has."""
        return getattr(torch, name)

    def load(self, file: Any, map_location: Any = None) -> Any:
        """Reads a checkpoint without calling anything, and checks its options."""
        path = getattr(file, "name", "the checkpoint")
        if isinstance(path, str) and is_packed(path):
            state = read_packed(path)
            check_options(state, path)
            return state
        if isinstance(path, str) and os.path.isfile(path):
            check_archive(path)
        with reading(path, "a fairseq checkpoint"):
            state = torch.load(file, map_location=map_location, weights_only=True)
        check_options(state, path)
        return state


def check_archive(path: PathLike) -> None:
    """Refuses a file of torch's that lost bits: its parts have check sums.

    torch writes and does not read them. What it stores is not compressed, so that
    nothing in it is larger than the file.

    Raises:
        BadFile: naming the part.
    """
    status = os.stat(path)
    _check_archive(str(path), size=status.st_size, changed=status.st_mtime_ns)


@lru_cache(maxsize=16)
def _check_archive(path: str, *, size: int, changed: int) -> None:
    with open(path, "rb") as file:
        if file.read(2) != b"PK":  # the format before torch 1.6
            return
    with reading(path, "a fairseq checkpoint"), zipfile.ZipFile(path) as archive:
        packed = [one for one in archive.infolist() if one.compress_type]
        broken = packed[0].filename if packed else archive.testzip()
    if broken is not None:
        raise BadFile(
            f"{path} must be a fairseq checkpoint as torch wrote it, but its part "
            f"{broken} is damaged or packed."
        )


def load_models(path: PathLike, **options: Any) -> tuple[list[Any], Any, Any]:
    """Loads a checkpoint's model with fairseq, see `load_model_ensemble_and_task`.

    Args:
        path: of the checkpoint.
        **options: fairseq's.

    Returns:
        A list of the model; its options; its task.

    Raises:
        BadFile: if there is no way to build the model from the file.
    """
    with reading(path, "a checkpoint that a model can be built from"), of_a_file():
        return checkpoint_utils.load_model_ensemble_and_task([str(path)], **options)


class RefusedFile(Refused, BadFile):
    """A bad file in a data folder: fairseq's commands end with the sentence alone."""


@contextmanager
def in_data_folder() -> Iterator[None]:
    """Lets a bad file end fairseq's commands, which catch nothing, in its sentence.

    Raises:
        RefusedFile: in place of `BadFile`.
    """
    try:
        yield
    except BadFile as error:
        raise RefusedFile(str(error)) from error


@in_data_folder()
def load_dictionary(kind: Any, file: Any, *rest: Any, **options: Any) -> Any:
    """Reads a dictionary as fairseq does, and names the file if it cannot.

    Raises:
        BadFile: if it is no dictionary, or an empty one.
    """
    if not isinstance(file, (str, Path)):
        return _load_dictionary(kind, file, *rest, **options)
    with reading(file, WORDS):
        dictionary = _load_dictionary(kind, str(file), *rest, **options)
    if len(dictionary) == dictionary.nspecial:
        raise BadFile(f"{file} must be {WORDS}, but holds no symbol.")
    return dictionary


@in_data_folder()
def load_data(path: str, *rest: Any, **options: Any) -> Any:
    """Opens binary data as fairseq does, after a look at the sizes that it states.

    Raises:
        BadFile: if sizes or places lie outside the file, or words outside the
            dictionary.
    """
    kind = check_index(path)
    dictionary = rest[0] if rest else options.get("dictionary")
    if kind is not None and dictionary is not None:
        check_words(f"{path}.bin", kind, len(dictionary))
    with reading(path, BINARY):
        return _load_data(path, *rest, **options)


def check_index(prefix: str) -> numpy.dtype[Any] | None:
    """Checks the index of what fairseq-preprocess wrote, `PREFIX.idx`, with its data.

    Behind its header stand the number of words of each sentence (int32) and the byte
    where it begins (int64).

    Returns:
        The type of the words in the data; None if fairseq has them in another layout.

    Raises:
        BadFile: if they cannot be those of the data.
    """
    index, data = f"{prefix}.idx", f"{prefix}.bin"
    if not (os.path.isfile(index) and os.path.isfile(data)):
        return None  # fairseq says itself if there are none
    content = numpy.memmap(index, mode="r") if os.path.getsize(index) else b""
    if bytes(content[: len(MAGIC)]) != MAGIC:
        raise BadFile(f"{index} must be {BINARY}, but is another file.")
    with reading(index, BINARY):
        kind, count = struct.unpack("<BQ", bytes(content[len(MAGIC) + 8 : HEADER]))
        if len(content) != HEADER + 12 * count:
            raise ValueError(f"it states {count:,} sentences and has another length")
        words = numpy.dtype(indexed_dataset._code_to_dtype[kind])
        sizes = numpy.frombuffer(content, numpy.int32, count, HEADER).astype(int)
        places = numpy.frombuffer(content, numpy.int64, count, HEADER + 4 * count)
        ends = places + sizes * words.itemsize
        if count and (min(sizes.min(), places.min()) < 0 or places.max() < 0):
            raise ValueError("a sentence has less than no words")
        if count and ends.max() > os.path.getsize(data):
            raise ValueError(f"it states more words than {data} has")
    return words


def check_words(data: str, kind: numpy.dtype[Any], size: int) -> None:
    """Checks that every word of binary data has a number of the dictionary.

    Args:
        data: the file.
        kind: of its numbers.
        size: of the dictionary.

    Raises:
        BadFile: if one has none: a model would look up what is not there.
    """
    count = os.path.getsize(data) // kind.itemsize
    words = numpy.memmap(data, kind, "r", shape=(count,)) if count else numpy.zeros(0)
    for start in range(0, count, BLOCK):
        block = words[start : start + BLOCK]
        if block.max() >= size or block.min() < 0:
            raise BadFile(
                f"{data} must hold words of a dictionary of {size:,} symbols, but has "
                f"number {block.max() if block.max() >= size else block.min()}: it is "
                "damaged, or of another dictionary."
            )


_load_data = data_utils.load_indexed_dataset
_load_dictionary = Dictionary.load.__func__  # type: ignore[attr-defined]


def claim_folder(folder: str) -> None:
    """Takes a folder for this training alone, for as long as the process lives.

    fairseq calls it on the first worker, before a training. Two trainings into one
    folder would take turns in overwriting each other's checkpoints.

    Raises:
        SystemExit: with a sentence, if another training has it or it is not writable.
    """
    place = os.path.realpath(folder)
    if place in _claimed:
        return
    try:
        _verify(folder)
        lock = os.open(place, os.O_RDONLY)  # the folder itself: no file is left
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(
            f"error: another training writes to {folder}; give --save-dir another."
        )
    except OSError as error:
        said = str(error.strerror or error)
        sys.exit(f"error: checkpoints cannot be written to {folder}: {said}.")
    _claimed[place] = lock


_verify = checkpoint_utils.verify_checkpoint_directory
_claimed: dict[str, int] = {}  # descriptors, by folder


def guard_files() -> None:
    """Lets fairseq read files through this module."""
    checkpoint_utils.torch = GuardedTorch("torch")
    checkpoint_utils.verify_checkpoint_directory = claim_folder
    Dictionary.load = classmethod(load_dictionary)  # type: ignore[assignment]
    data_utils.load_indexed_dataset = load_data
    replace_eval()
