"""Owns sets of images: which layout lies at a path, and which images are a split.

A layout says whether it is there (`holds`) and reads a split (`read`) into one array,
uint8 (N, 3, H, W), or returns None if there is no such split. Images of a split are
decoded once and kept in memory: all of CIFAR-10 takes 180 MB.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Optional, Union

import numpy
import torch
from torch import Tensor

from . import cifar_binary, image_folder, parquet, svhn

SPLITS = ("train", "valid", "test")
LAYOUTS: tuple[ModuleType, ...] = (cifar_binary, parquet, svhn, image_folder)
HELD_OUT = 5000  # images of the training set that validate, at most a tenth of it


class ImageSet:
    """Images of one size.

    Args:
        pixels: (N, 3, H, W) uint8.
        name: what the images are called in messages and tables.
    """

    def __init__(self, pixels: numpy.ndarray, name: str) -> None:
        self.name = name
        self._pixels = torch.from_numpy(pixels)

    def __len__(self) -> int:
        """Counts the images."""
        return len(self._pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: (3, H, W)."""
        channels, height, width = self._pixels.shape[1:]
        return channels, height, width

    def images(self, indices: Union[Tensor, slice, list[int]]) -> Tensor:
        """Returns some images. Shape: (n,) → (n, 3, H, W) uint8."""
        return self._pixels[indices]


Size = tuple[int, int]  # height and width


def open_images(
    path: Union[str, Path], split: str, size: Optional[Size] = None
) -> ImageSet:
    """Reads a split of the images at a path, whatever their layout is.

    Without a validation split of their own, the last 5,000 training images (or a tenth
    of all, if that is less) validate, and do not train.

    Args:
        path: `cifar-10-batches-bin` or the folder above it, Parquet files as on the
            Hugging Face hub, SVHN's `.mat` files, or a folder of images.
        split: "train", "valid" or "test".
        size: height and width that the images must have; None takes any.

    Raises:
        ValueError: in one sentence that names the file, if it cannot be read, or the
            folder, if its images are of another size.
    """
    if split not in SPLITS:
        raise ValueError(
            f"`split` must be one of {', '.join(SPLITS)}, but is {split!r} instead."
        )
    root = Path(path).resolve()
    pixels = _split(root, split)
    if pixels is None:
        raise ValueError(f"{path} must hold a {split} split, but does not.")
    shape = pixels.shape[2:]
    if size is not None and shape != size:
        raise ValueError(
            f"The {split} images in {root} must be of {size[1]} × {size[0]} pixels "
            f"like those of the model, but are of {shape[1]} × {shape[0]} instead."
        )
    return ImageSet(pixels, f"{root.name}/{split}")


def _split(root: Path, split: str) -> numpy.ndarray | None:
    """Returns a split, cut out of the training images if need be."""
    if split == "test":
        return _stored(root, "test")
    own = _stored(root, "valid")
    if split == "valid" and own is not None:
        return own
    every = _stored(root, "train")
    if every is None or own is not None:
        return every
    count = held_out(len(every), root)
    return every[-count:] if split == "valid" else every[:-count]


def held_out(count: int, root: Path) -> int:
    """Returns how many of the training images validate.

    Raises:
        ValueError: if there are too few to be divided.
    """
    if count < 2:
        raise ValueError(
            f"{root} must hold at least 2 training images, one of them to validate, "
            f"but holds {count} instead."
        )
    return min(HELD_OUT, -(-count // 10))


@lru_cache(maxsize=len(SPLITS))
def _stored(root: Path, split: str) -> numpy.ndarray | None:
    """Reads a split as it is stored."""
    if not root.is_dir():
        raise ValueError(unreadable(root))
    for layout in LAYOUTS:
        if layout.holds(root):
            return layout.read(root, split)
    raise ValueError(f"{root} must hold images, but does not: {cifar_binary.KNOWN}.")


def unreadable(root: Path) -> str:
    """Says why a path that is no folder is not read."""
    if root.name.endswith((".tar.gz", ".tgz", ".tar", ".zip")):
        return f"{root} must be a folder, but is an archive instead: unpack it first."
    state = "is a file instead" if root.exists() else "does not exist"
    return f"{root} must be a folder of images, but {state}."
