"""Owns the cropped digits of SVHN: MATLAB files, read without pickle.

scipy believes the sizes that a compressed file states. So files are unpacked here, up
to a bound, and scipy reads what came out.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy

from ..files import BadFile, reading
from .pixels import missing

FILE = "{split}_32x32.mat"
SPLITS = ("train", "test")
WHAT = "a .mat file of MATLAB's version 5"
MOST_BYTES = 2**29  # unpacked; the training images of SVHN have 225 MB
MOST_VARIABLES = 100
HEADER = 128  # bytes, before the variables
ORDERS = {b"IM": "<", b"MI": ">"}  # of bytes, by what the header ends in
PACKED = 15  # the type of a variable that is compressed
BLOCK = 2**20  # bytes read at a time


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
        from scipy.io import loadmat, whosmat
    except ImportError:
        raise ValueError(missing("scipy", "MATLAB files")) from None
    with reading(path, WHAT):
        content = unpack(path)
        kinds = {name: kind for name, _, kind in reversed(whosmat(content))}
    if kinds.get("X", "uint8") != "uint8":  # a nest of cells, for instance
        raise BadFile(f"X in {path} must be uint8, but is {kinds['X']} instead.")
    with reading(path, WHAT):
        array = loadmat(content, variable_names=["X"]).get("X")
    return to_images(array, path)


def unpack(path: Path) -> io.BytesIO:
    """Returns a file as if nothing in it were compressed.

    Raises:
        ValueError: if it is another file, cut off, or has more bytes than the bound.
    """
    unpacked = io.BytesIO()
    with open(path, "rb") as file:
        header = file.read(HEADER)
        if header[-2:] not in ORDERS or len(header) < HEADER:
            raise ValueError("it begins otherwise")
        unpacked.write(header)
        tag = struct.Struct(ORDERS[header[-2:]] + "II")
        for _ in range(MOST_VARIABLES):
            begin = file.read(tag.size)
            if not begin:
                break
            kind, size = tag.unpack(begin)
            if kind != PACKED:
                unpacked.write(begin)
            for block in blocks(file, size, kind == PACKED):
                unpacked.write(block)
                if unpacked.tell() > MOST_BYTES:
                    raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
    unpacked.seek(0)
    return unpacked


def blocks(file: io.BufferedReader, size: int, packed: bool) -> Iterator[bytes]:
    """Yields the bytes of a variable.

    Args:
        file: where it begins.
        size: of what is stored.
        packed: whether that is compressed.

    Raises:
        ValueError: if it is cut off.
        zlib.error: if it cannot be unpacked.
    """
    unpacker = zlib.decompressobj()
    while size:
        stored = file.read(min(size, BLOCK))
        if not stored:
            raise ValueError("it is cut off")
        size -= len(stored)
        while stored:
            yield unpacker.decompress(stored, BLOCK) if packed else stored
            stored = unpacker.unconsumed_tail if packed else b""
    if packed:
        yield unpacker.flush()


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
