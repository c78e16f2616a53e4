"""Owns the cropped digits of SVHN: MATLAB files, read without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy

from .pixels import missing

FILE = "{split}_32x32.mat"
SPLITS = ("train", "test")


def holds(root: Path) -> bool:
    """Tells whether there are training or test images."""
    return any((root / FILE.format(split=split)).is_file() for split in SPLITS)


def read(root: Path, split: str) -> numpy.ndarray | None:
    """Reads a split.

    Shape:
        (N, 3, 32, 32) uint8.

    Raises:
        ValueError: if the file is cut off, or something else.
    """
    path = root / FILE.format(split=split)
    if split not in SPLITS or not path.is_file():
        return None
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ValueError(missing("scipy", "MATLAB files")) from None
    try:
        content = loadmat(path, variable_names=["X"])
    except Exception as error:  # whatever a damaged file makes of the reader
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "damaged"
        raise ValueError(f"{path} cannot be read as a .mat file: {reason}.") from None
    return to_images(content.get("X"), path)


def to_images(array: numpy.ndarray | None, path: Path) -> numpy.ndarray:
    """Puts the images first, as MATLAB has them last.

    Shape:
        (H, W, 3, N) → (N, 3, H, W) uint8.

    Raises:
        ValueError: if these are no images in colour.
    """
    if array is None:
        raise ValueError(f"{path} must hold the images X, but does not.")
    if array.ndim != 4 or array.shape[2] != 3 or array.dtype != numpy.uint8:
        raise ValueError(
            f"X in {path} must be uint8 of shape (height, width, 3, images), but is "
            f"{array.dtype} of shape {array.shape} instead."
        )
    if not array.shape[3]:
        raise ValueError(f"{path} must hold images, but holds none.")
    return numpy.ascontiguousarray(array.transpose(3, 2, 0, 1))
