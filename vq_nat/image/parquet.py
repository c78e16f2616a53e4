"""Owns Parquet files as on the Hugging Face hub: a column of encoded images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from .pixels import Named, decode_all, missing

COLUMNS = ("img", "image")  # structs with a field `bytes`
FOLDERS = (".", "data", "plain_text")
PATTERNS = {"train": "train*", "valid": "valid*", "test": "test*"}
ROWS = 1024  # read at a time


def files(root: Path, split: str) -> list[Path]:
    """Lists the files of a split in order."""
    pattern = f"{PATTERNS[split]}.parquet"
    found = (sorted((root / folder).glob(pattern)) for folder in FOLDERS)
    return next((paths for paths in found if paths), [])


def holds(root: Path) -> bool:
    """Tells whether there are training or test images."""
    return bool(files(root, "train") or files(root, "test"))


def read(root: Path, split: str) -> numpy.ndarray | None:
    """Decodes a split.

    Shape:
        (N, 3, H, W) uint8.

    Raises:
        ValueError: if a file or an image in it cannot be read.
    """
    paths = files(root, split)
    if not paths:
        return None
    tables = [open_table(path) for path in paths]
    count = sum(table.metadata.num_rows for table in tables)
    images = (
        image for path, table in zip(paths, tables) for image in rows(path, table)
    )
    if not count:
        raise ValueError(f"{paths[0]} must hold images, but holds none.")
    return decode_all(images, count, f"{root.name}/{split}")


def open_table(path: Path) -> Any:
    """Opens a file, whose rows are read later.

    Raises:
        ValueError: if it is no Parquet file, or cut off.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError(missing("pyarrow", "Parquet files")) from None
    try:
        return ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(broken(path, error)) from None


def rows(path: Path, table: Any) -> Iterator[Named]:
    """Yields the encoded images of a file.

    Raises:
        ValueError: if there are none, or the file is damaged.
    """
    import pyarrow

    column, number = column_of(path, table), 0
    batches = table.iter_batches(batch_size=ROWS, columns=[column])
    while True:
        try:
            batch = next(batches, None)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(broken(path, error)) from None
        if batch is None:
            return
        for value in batch.column(0):
            number += 1
            content = value.as_py()
            content = content.get("bytes") if isinstance(content, dict) else content
            if not isinstance(content, bytes):
                raise ValueError(
                    f"Row {number} of {path} must hold the bytes of an image in the "
                    f"column `{column}`, but holds none."
                )
            yield f"Row {number} of {path}", content


def column_of(path: Path, table: Any) -> str:
    """Returns the name of the column of images.

    Raises:
        ValueError: if there is none.
    """
    names = table.schema_arrow.names
    for name in COLUMNS:
        if name in names:
            return name
    raise ValueError(
        f"{path} must have a column {' or '.join(COLUMNS)}, but has "
        f"{', '.join(names)} instead."
    )


def broken(path: Path, error: Exception) -> str:
    """Says that a file is damaged."""
    reason = str(error).splitlines()[0].rstrip(".")
    return f"{path} cannot be read as a Parquet file: {reason}."
