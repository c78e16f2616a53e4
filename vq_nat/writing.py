"""Owns how files are written: JSON and text, never seen half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(value: Any, path: Path) -> Path:
    """Writes a row, or anything else, as JSON, never seen half-written."""
    return write_text(json.dumps(value, indent=2, ensure_ascii=False), path)


def json_or_none(path: Path) -> Any:
    """Returns what a JSON file holds, None if there is no such or it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


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
