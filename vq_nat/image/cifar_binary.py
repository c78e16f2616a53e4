"""Owns CIFAR-10's binary version: records of a label and 3072 intensities."""

from __future__ import annotations

from pathlib import Path

import numpy

FOLDER = "cifar-10-batches-bin"
FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue, each row by row
CLASSES = 10
MOST_RECORDS = 10**6  # of a file; CIFAR-10 has 10,000
KNOWN = (
    f"there may be {FOLDER}, Parquet files {{train,test}}*.parquet, "
    "{train,test}_32x32.mat, or image files"
)


def home(root: Path) -> Path:
    """Returns the folder of the records: the path itself, or one in it."""
    return root / FOLDER if (root / FOLDER).is_dir() else root


def holds(root: Path) -> bool:
    """Tells whether the records, or the pickles that are refused, are there."""
    names = (name for split in FILES.values() for name in split)
    return any((home(root) / name).is_file() for name in names) or bool(pickles(root))


def pickles(root: Path) -> list[Path]:
    """Lists files of the "python version"."""
    folders = (root, root / "cifar-10-batches-py")
    return [f / "data_batch_1" for f in folders if (f / "data_batch_1").is_file()]


def read(root: Path, split: str) -> numpy.ndarray | None:
    """Reads a split.

    Shape:
        (N, 3, 32, 32) uint8.

    Raises:
        ValueError: if a file is missing, cut off, or something else.
    """
    folder = home(root)
    if split not in FILES:
        return None
    if not any(folder.glob("*.bin")):
        raise ValueError(
            f"{pickles(root)[0]} must not be a pickle, which can run any program when "
            "it is read, but is one: get the binary version, cifar-10-binary.tar.gz "
            "(`python data_prep/cifar10.py` does so)."
        )
    records = [read_records(folder / name) for name in FILES[split]]
    sizes = {len(part) for part in records}
    if len(sizes) > 1:
        shortest = min(range(len(records)), key=lambda index: len(records[index]))
        raise ValueError(
            f"{folder / FILES[split][shortest]} must hold {max(sizes)} images like "
            f"the files beside it, but holds {min(sizes)} instead."
        )
    return numpy.concatenate(records)[:, 1:].reshape(-1, *SHAPE)


def read_records(path: Path) -> numpy.ndarray:
    """Reads the records of a file.

    Shape:
        (N, 3073) uint8.

    Raises:
        ValueError: if they are not whole, or no records of CIFAR-10.
    """
    if not path.is_file():
        raise ValueError(f"The file {path} is missing.")
    size = path.stat().st_size
    if size == 0 or size % RECORD:
        raise ValueError(
            f"{path} must hold records of {RECORD} bytes, but its {size} bytes end "
            "within one: it is cut off, or another file."
        )
    if size // RECORD > MOST_RECORDS:
        raise ValueError(
            f"{path} must hold at most {MOST_RECORDS:,} images, but holds "
            f"{size // RECORD:,} instead."
        )
    records = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, RECORD)
    wrong = numpy.flatnonzero(records[:, 0] >= CLASSES)
    if len(wrong):
        raise ValueError(
            f"Record {wrong[0] + 1} of {path} must begin with a label below {CLASSES}, "
            f"but begins with {records[wrong[0], 0]} instead."
        )
    return records
