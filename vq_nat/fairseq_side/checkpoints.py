"""Owns where checkpoints are kept: by fairseq, and by `vq-nat pack`."""

from pathlib import Path

BEST = "checkpoint_best.pt"
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of a packed one


def checkpoint_path(path: str | Path) -> Path:
    """Returns a checkpoint, a folder's best one, or the weights of a packed one."""
    path = Path(path)
    if not path.is_dir():
        return path
    packed = (path / CONFIG).is_file() and (path / WEIGHTS).is_file()
    return path / (WEIGHTS if packed else BEST)
