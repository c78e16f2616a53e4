"""Owns where fairseq keeps checkpoints."""

from pathlib import Path


def checkpoint_path(path: str | Path) -> Path:
    """Returns a checkpoint, the best one of a folder."""
    path = Path(path)
    return path / "checkpoint_best.pt" if path.is_dir() else path
