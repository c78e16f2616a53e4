"""Owns what lets a training go on as if it had never been broken off.

fairseq copies a checkpoint over another in place, so that a kill leaves half a file; it
takes half a file for a checkpoint; and it makes one update more of a training that was
complete. `apply` mends all three, for every task of the process.
"""

import logging
import math
import os
import shutil
import zipfile
from functools import wraps
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from .compat import Refused, load_task_state
from .saving import written_beside

logger = logging.getLogger(__name__)

LAST = "checkpoint_last.pt"  # fairseq's default for --restore-file

_copy, _load = PathManager.copy, checkpoint_utils.load_checkpoint


def apply() -> None:
    """Puts the functions below in the place of fairseq's."""
    PathManager.copy = staticmethod(copy_beside)
    checkpoint_utils.load_checkpoint = load_checkpoint


def copy_beside(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
    """Copies a file beside its place, then moves it there: it is never seen in part.

    Args:
        src_path: what to copy.
        dst_path: where to.
        overwrite: for fairseq's own way, which paths that are no files go.

    Raises:
        Refused: if it cannot be written; what was there before is there still.
    """
    if PathManager.path_requires_pathmanager(dst_path):
        return _copy(src_path, dst_path, overwrite)
    with written_beside(dst_path) as temporary:
        shutil.copyfile(src_path, temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
    return dst_path


@wraps(_load)
def load_checkpoint(cfg: Any, trainer: Any, **options: Any) -> Any:
    """Loads what a training goes on from, as fairseq does.

    Half a `checkpoint_last.pt` is passed over for the newest whole checkpoint of the
    folder. A training that has made all its updates makes none.

    Args:
        cfg: fairseq's checkpoint options.
        trainer: fairseq's.
        **options: of its iterator.

    Raises:
        ValueError: if there is half a checkpoint and no whole one, if it is of another
            text than the task's, or for a training that the task cannot serve.
    """
    if hasattr(trainer.task, "refuse_training"):
        model, criterion = trainer.get_model(), trainer.get_criterion()
        trainer.task.refuse_training(trainer.cfg, model, criterion)
    given, folder = cfg.restore_file, Path(cfg.save_dir)
    cfg.restore_file = str(whole_checkpoint(folder, given) or given)
    for path in (folder / cfg.restore_file, Path(cfg.restore_file)):
        if path.is_file() and hasattr(trainer.task, "check_state"):
            # fairseq does so in decoding alone.
            trainer.task.check_state(load_task_state(path), str(path))
    try:
        extra, iterator = _load(cfg, trainer, **options)
    finally:
        cfg.restore_file = given
    limits = trainer.cfg.optimization
    if trainer.get_num_updates() >= (limits.max_update or math.inf):
        logger.info("the training has made its %d updates", limits.max_update)
        limits.max_epoch = -1  # before the first
    return extra, iterator


def whole_checkpoint(folder: Path, given: str = LAST) -> Path | None:
    """Returns what to go on from in place of half a `checkpoint_last.pt`.

    Args:
        folder: of the checkpoints.
        given: the value of --restore-file; another than its default is the user's.

    Returns:
        The newest whole checkpoint; None if nothing is torn.

    Raises:
        ValueError: if there is no whole one.
    """
    last = folder / LAST
    if given != LAST or not is_torn(last):
        return None
    others = [path for path in folder.glob("checkpoint*.pt") if not is_torn(path)]
    if not others:
        raise Refused(
            f"{last} must be a whole checkpoint, but is cut off, and {folder} has no "
            "other one: delete it to begin anew."
        )
    newest = max(others, key=lambda path: path.stat().st_mtime_ns)
    logger.warning("%s is cut off: going on from %s instead", last, newest)
    return newest


def is_torn(path: str | Path) -> bool:
    """Tells whether a file is the beginning of a checkpoint, without its end.

    A zip file, which torch's checkpoints are, has its table of contents at its end.
    """
    path = Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        begins = file.read(2)
    return begins in (b"", b"P") or begins == b"PK" and not zipfile.is_zipfile(path)
