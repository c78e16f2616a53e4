"""Owns folders of image files, with or without a folder for each split."""

from __future__ import annotations

from pathlib import Path

import numpy

from .pixels import decode_all

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm")
SPLITS = ("train", "valid", "test")


def files(folder: Path) -> list[Path]:
    """Lists the image files in a folder and in those below it, in order."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    return sorted(path for path in found if path.is_file())


def has_splits(root: Path) -> bool:
    """Tells whether each split has a folder of its own."""
    return any((root / split).is_dir() for split in SPLITS)


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
    folder = root / split if has_splits(root) else root
    if not folder.is_dir() or (folder == root and split != "train"):
        return None
    paths = files(folder)
    if not paths:
        raise ValueError(f"{folder} must hold images, but holds none.")
    images = ((str(path), path.read_bytes()) for path in paths)
    return decode_all(images, len(paths), f"{root.name}/{split}")
