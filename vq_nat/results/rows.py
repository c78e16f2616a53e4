"""Owns the files of results: rows as JSON, and the outputs they were scored on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def row_path(folder: Path, corpus: str, system: str) -> Path:
    """Returns where a row is kept."""
    return folder / corpus / f"{system}.json"


def write_row(row: Row, folder: Path) -> Path:
    """Writes FOLDER/CORPUS/SYSTEM.json, never seen half-written."""
    return write_json(row, row_path(folder, row["corpus"], row["system"]))


def write_json(value: Any, path: Path) -> Path:
    """Writes a row, or anything else, as JSON, never seen half-written."""
    return write_text(json.dumps(value, indent=2, ensure_ascii=False), path)


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds, None if there is no such or it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def outputs_path(path: Path, test_set: str) -> Path:
    """Returns where the outputs of a row are kept: ROW.TEST_SET.txt beside it.

    Args:
        path: of the row.
        test_set: name of the test set.
    """
    return path.with_name(f"{path.stem}.{test_set}.txt")


def write_outputs(outputs: list[str], path: Path, test_set: str) -> Path:
    """Writes a row's outputs beside it, one a line.

    Args:
        outputs: raw translations, none of which has a line feed.
        path: of the row.
        test_set: name of the test set.
    """
    return write_text("\n".join(outputs), outputs_path(path, test_set))


def write_text(text: str, path: Path) -> Path:
    """Writes a text and a line feed, never seen half-written."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(f"{text}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields where to write a file that then takes its place, if all goes well.

    Args:
        path: of the file; its ending is kept, and its folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    os.replace(temporary, path)
