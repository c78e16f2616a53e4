"""Owns the folders that checkpoints are exported into, each once, to be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..fairseq_side.checkpoints import checkpoint_path
from ..files import sha256


def number_format_of(options: dict[str, Any], known: Sequence[str]) -> str:
    """Takes the number format out of a system's options.

    Raises:
        ValueError: if there is no such for its engine.
    """
    name = options.pop("compute_type", "float32")
    if name not in known:
        raise ValueError(
            f"`compute_type` must be one of {', '.join(known)}, but is {name!r} "
            "instead."
        )
    return name


def exported_folder(
    checkpoint: Path, kind: str, export: Callable[[Path, Path], object]
) -> Path:
    """Exports a checkpoint once, into a folder beside it.

    Args:
        checkpoint: a file, or a folder that holds `checkpoint_best.pt`.
        kind: of the export, with its number format; it names the folder, together with
            what the checkpoint holds.
        export: is called with the checkpoint and the folder, if there is none.
    """
    checkpoint = checkpoint_path(checkpoint)
    folder = checkpoint.parent / f"{kind}-{sha256(checkpoint)[:16]}"
    if not folder.is_dir():
        export(checkpoint, folder)
    return folder
