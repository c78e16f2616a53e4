"""Owns folders of image files, with or without a folder for each split."""

from __future__ import annotations

from pathlib import Path

import numpy

from ..files import read_bytes
from .pixels import MOST_BYTES, decode_all

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm")
FOLDERS = {  # of each split, the first that is there
    "train": ("train",),
    "valid": ("valid", "val", "validation"),
    "test": ("test",),
}


def files(folder: Path) -> list[Path]:
    """Lists the image files in a folder and in those below it, in order."""
    images = (p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    return sorted(path for path in images if path.is_file())


def folder_of(root: Path, split: str) -> Path | None:
    """Returns the folder of a split, None if it has none of its own."""
    named = (root / name for name in FOLDERS[split])
    return next((folder for folder in named if folder.is_dir()), None)


def has_splits(root: Path) -> bool:
    """Tells whether a split has a folder of its own."""
    return any(folder_of(root, split) is not None for split in FOLDERS)


def holds(root: Path) -> bool:
    """Tells whether there are image files."""
    return has_splits(root) or bool(files(root))


def read(root: Path, split: str) -> numpy.ndarray | None:
    """Decodes a split; without folders for splits, all images train.

    Shape:
        (N, 3, H, W) uint8.

    Raises:
        ValueError: if a folder is empty, or an image cannot be read.
    """
    whole = None if split != "train" or has_splits(root) else root
    folder = folder_of(root, split) or whole
    if folder is None:
        return None
    paths = files(folder)
    if not paths:
        raise ValueError(f"{folder} must hold images, but holds none.")
    images = ((str(path), read_bytes(path, "an image", MOST_BYTES)) for path in paths)
    return decode_all(images, len(paths), f"{root.name}/{split}")
