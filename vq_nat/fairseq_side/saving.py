"""Owns how a checkpoint is written: whole or not at all, and then a sentence.

fairseq tries a write that failed twice more, behind what the first one left in the
file, and ends in a traceback. `apply` has it write through this.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from ..files import PathLike
from .refused import Refused

_save = checkpoint_utils.torch_persistent_save


def apply() -> None:
    """Puts `save_checkpoint` in the place of fairseq's."""
    checkpoint_utils.torch_persistent_save = save_checkpoint


def save_checkpoint(obj: Any, filename: str, async_write: bool = False) -> None:
    """Writes a checkpoint beside its place, then moves it there.

    Args:
        obj: what to write.
        filename: where to.
        async_write: for fairseq's own way, which paths that are no files go.

    Raises:
        Refused: if it cannot be written; what was there before is there still.
    """
    if async_write or PathManager.path_requires_pathmanager(filename):
        _save(obj, filename, async_write)
        return
    with written_beside(filename) as temporary:
        save_state(obj, temporary)


@contextmanager
def written_beside(path: PathLike) -> Iterator[Path]:
    """Yields a path beside a checkpoint's place; what is written there moves to it.

    Raises:
        Refused: if it cannot be written; what was there before is there still.
    """
    temporary = Path(f"{path}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: PathLike, error: OSError) -> Refused:
    """Says that a checkpoint cannot be written, and why."""
    said = str(error.strerror or error).rstrip(".")
    return Refused(f"error: the checkpoint {path} cannot be written: {said}.")


def save_state(state: Any, path: PathLike) -> None:
    """Writes what torch writes.

    Raises:
        OSError: if the file system says no, which torch tells as an error of its own.
    """
    try:
        with open(path, "wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        said = error.__context__  # what the file said to torch
        if not isinstance(said, OSError):
            raise
        raise OSError(said.errno, said.strerror, str(path)) from error
