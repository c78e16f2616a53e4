"""What has been tried in a room, as a JSON file, and the table of all rooms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from .change import Mutation

ROWS = Path(__file__).resolve().parent / "rows"
ROOMS = ("bottleneck", "translation", "bench", "data_prep", "image")
ORDER = (*ROOMS, "image-2", "named")
HEAD = """\
| room | broken | noticed | and since then | survivors | seconds | commit |
|---|---|---|---|---|---|---|
"""
BEGIN, END = "<!-- broken lines -->\n", "<!-- end of broken lines -->\n"


class Tried(TypedDict):
    """One broken line and who noticed."""

    file: str
    line: int
    before: str
    after: str
    by: str | None  # a test, "" = not one by itself, None = nobody
    name: NotRequired[str]  # of a line that was broken by hand
    later: NotRequired[bool]  # noticed by a test that was written for it
    reason: NotRequired[str]  # why nobody can notice, or why nobody should


class Row(TypedDict):
    """A room."""

    room: str
    command: str
    commit: str
    seconds: int
    tried: list[Tried]


def tried(mutation: Mutation, by: str | None) -> Tried:
    """Returns what is kept of a broken line."""
    file, before, after = mutation.key
    return {
        "file": file,
        "line": mutation.line,
        "before": before,
        "after": after,
        "by": by,
    }


def write(path: Path, row: Row) -> None:
    """Writes a row."""
    text = json.dumps(row, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Row:
    """Reads a row."""
    row: Row = json.loads(path.read_text(encoding="utf-8"))
    return row


def reasons(name: str) -> dict[tuple[str, str, str], str]:
    """Returns why survivors of a row that is kept need not be tried again."""
    path = ROWS / f"{name}.json"
    results = read(path)["tried"] if name and path.is_file() else []
    return {
        (one["file"], one["before"], one["after"]): one["reason"]
        for one in results
        if "reason" in one
    }


def table(rows: list[Row]) -> str:
    """Returns the table of all rooms, and below it the survivors with their reasons."""
    lines, notes = [], []
    for row in rows:
        now = [one for one in row["tried"] if one["by"] is not None]
        first = [one for one in now if not one.get("later")]
        left = [one for one in row["tried"] if one["by"] is None]
        cells = [row["room"], len(row["tried"]), len(first), len(now), len(left)]
        cells += [row["seconds"], row["commit"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |\n")
        notes += [f"- {survivor(one)}\n" for one in left]
    return HEAD + "".join(lines) + ("\n" + "".join(notes) if notes else "")


def all_rows() -> list[Row]:
    """Returns the rows that are kept."""
    paths = (ROWS / f"{name}.json" for name in ORDER)
    return [read(path) for path in paths if path.is_file()]


def write_table(page: Path) -> None:
    """Replaces the table in a page."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}{table(all_rows())}{END}{after}", encoding="utf-8")


def survivor(one: Any) -> str:
    """Returns one survivor's line."""
    change = f"`{one['before']}` → `{one['after']}`".replace("|", r"\|")
    reason = one.get("reason", "no reason is known: a test is missing")
    return f"`{one['file']}:{one['line']}`: {change}: {reason}."
