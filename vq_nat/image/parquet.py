"""Owns Parquet files as on the Hugging Face hub: a column of encoded images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from ..files import reading
from .pixels import Named, decode_all, missing

COLUMNS = ("img", "image")  # of bytes, or structs with a field `bytes`
FOLDERS = (".", "data", "plain_text")
PATTERNS = {"train": "train*", "valid": "valid*", "test": "test*"}
# Read at a time: a short file can hold a large image once, and name it in every row.
ROWS = 4
MOST_UNPACKED = 2**30  # bytes of the images in a group of rows
WHAT = "a Parquet file of images"


def files(root: Path, split: str) -> list[Path]:
    """Lists the files of a split in order."""
    pattern = f"{PATTERNS[split]}.parquet"
    by_folder = (sorted((root / folder).glob(pattern)) for folder in FOLDERS)
    return next((paths for paths in by_folder if paths), [])


def holds(root: Path) -> bool:
    """Tells whether there are training or test images."""
    return bool(files(root, "train") or files(root, "test"))


class Column(NamedTuple):
    """The images of a file."""

    path: Path
    name: str
    leaf: str  # the bytes in it
    table: Any  # pyarrow's `ParquetFile`


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
    columns = [open_column(path) for path in paths]
    count = sum(column.table.metadata.num_rows for column in columns)
    if count <= 0:
        raise ValueError(f"{paths[0]} must hold images, but holds none.")
    images = (image for column in columns for image in rows(column))
    return decode_all(images, count, f"{root.name}/{split}")


def open_column(path: Path) -> Column:
    """Opens a file, whose rows are read later.

    Raises:
        ValueError: if it is no Parquet file, cut off, or without images.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(missing("pyarrow", "Parquet files")) from None
    with reading(path, WHAT):
        table = parquet.ParquetFile(path)
        name = name_of(path, table.schema_arrow)
        leaf = leaf_of(path, table.schema_arrow, name)
        check_groups(path, table.metadata, leaf)
    return Column(path, name, leaf, table)


def rows(column: Column) -> Iterator[Named]:
    """Yields the encoded images of a file.

    Raises:
        ValueError: if one is missing, or the file is damaged.
    """
    path, number = column.path, 0
    with reading(path, WHAT):
        batches = column.table.iter_batches(batch_size=ROWS, columns=[column.leaf])
    while True:
        with reading(path, WHAT):
            batch = next(batches, None)
        if batch is None:
            return
        for value in batch.column(0):
            number += 1
            content = value.as_py()
            content = content.get("bytes") if isinstance(content, dict) else content
            if not isinstance(content, bytes):
                raise ValueError(
                    f"Row {number} of {path} must hold the bytes of an image in the "
                    f"column `{column.name}`, but holds none."
                )
            yield f"Row {number} of {path}", content


def name_of(path: Path, schema: Any) -> str:
    """Returns the name of the column of images.

    Raises:
        ValueError: if there is none.
    """
    for name in COLUMNS:
        if name in schema.names:
            return name
    raise ValueError(
        f"{path} must have a column {' or '.join(COLUMNS)}, but has "
        f"{', '.join(schema.names)} instead."
    )


def leaf_of(path: Path, schema: Any, column: str) -> str:
    """Returns the name of what is read of a column: the bytes alone.

    Raises:
        ValueError: if it holds something else.
    """
    from pyarrow import types

    kind, leaf = schema.field(column).type, column
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind, leaf = kind.field("bytes").type, f"{column}.bytes"
    if types.is_dictionary(kind):
        kind = kind.value_type
    if not (types.is_binary(kind) or types.is_large_binary(kind)):
        raise ValueError(
            f"{path} must have the bytes of images in its column `{column}`, but has "
            f"{kind} instead."
        )
    return leaf


def check_groups(path: Path, metadata: Any, leaf: str) -> None:
    """Refuses a file that says that it unpacks to more than fits, before it does.

    Raises:
        ValueError: if it says so.
    """
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in range(group.num_columns):
            part = group.column(index)
            size = part.total_uncompressed_size
            if part.path_in_schema == leaf and not 0 <= size <= MOST_UNPACKED:
                raise ValueError(
                    f"{path} must have at most {MOST_UNPACKED:,} bytes of images in a "
                    f"group of rows, but says that it has {size:,} instead."
                )
