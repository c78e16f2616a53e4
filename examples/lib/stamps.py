"""Owns what is kept of finished steps: stamps as JSON, and a lock for their folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.lib.steps import PrepError, sha256, write_text_atomically


@contextlib.contextmanager
def locked(folder: Path, program: str) -> Iterator[None]:
    """Lets one process at a time work in a folder.

    Args:
        folder: where.
        program: what works there, as a noun.

    Raises:
        PrepError: if another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PrepError(
                f"Another {program} is working in {folder}; wait for its end or give "
                "this one another folder with --work."
            ) from None
        yield


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds, None if there is no such or it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def is_done(stamp: Path, recipe: dict[str, Any], output: Path) -> bool:
    """Tells whether a step's stamp names this recipe and this very output."""
    if not output.is_file():
        return False
    return read_json(stamp) == {"recipe": recipe, "output": sha256(output)}


def mark_done(stamp: Path, recipe: dict[str, Any], output: Path) -> None:
    """Stamps a finished step."""
    write_json(stamp, {"recipe": recipe, "output": sha256(output)})
