"""Owns what stands between a file and fairseq: nothing in a file is ever run.

One place for all doors, fairseq's own commands among them: its checkpoints are read
with `weights_only`, in every version of torch, and their options checked before it sees
them; its `eval` reads literals.
"""

from __future__ import annotations

import fcntl
import os
import sys
import zipfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary

from ..files import BadFile, PathLike, reading
from .checkpoint_options import check_options
from .literals import replace_eval

WORDS = "a dictionary of fairseq, a symbol and a number a line,"


class GuardedTorch(ModuleType):
    """torch, as fairseq's reader of checkpoints sees it."""

    def __getattr__(self, name: str) -> Any:
        """Returns what torch has."""
        return getattr(torch, name)

    def load(self, file: Any, map_location: Any = None) -> Any:
        """Reads a checkpoint without calling anything, and checks its options."""
        path = getattr(file, "name", "the checkpoint")
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
    found = os.stat(path)
    _check_archive(str(path), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=16)
def _check_archive(path: str, size: int, changed: int) -> None:
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
    with reading(path, "a checkpoint that a model can be built from"):
        return checkpoint_utils.load_model_ensemble_and_task([str(path)], **options)


def load_dictionary(kind: Any, file: Any, *rest: Any, **options: Any) -> Any:
    """Reads a dictionary as fairseq does, and names the file if it cannot.

    Raises:
        BadFile: if it is no dictionary, or an empty one.
    """
    if not isinstance(file, (str, Path)):
        return _load_dictionary(kind, file, *rest, **options)
    with reading(file, WORDS):
        found = _load_dictionary(kind, str(file), *rest, **options)
    if len(found) == found.nspecial:
        raise BadFile(f"{file} must be {WORDS} but holds no symbol.")
    return found


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
    replace_eval()
