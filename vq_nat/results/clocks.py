"""Owns how clocks of rows are read: a column each, none that others disturbed."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .rows import ClockRow, at
from .speed import Timed
from .tables import NOTHING

CROWDED = 1.05  # times as fast on one thread: others used the cores


def clocks_of(row: Timed) -> list[ClockRow]:
    """Returns the clocks of a row."""
    return at(row, "clocks") or []


def has_clock(row: Timed, figure: str) -> bool:
    """Tells whether a clock of a row shows a figure."""
    return any(figure in clock for clock in clocks_of(row))


def clock_names(rows: Iterable[Timed]) -> list[str]:
    """Returns the names of all clocks, in the order of a table."""
    clocks = {clock_name(clock): clock for row in rows for clock in clocks_of(row)}
    return sorted(clocks, key=lambda name: clock_rank(clocks[name]))


def clock_name(clock: ClockRow) -> str:
    """Names a clock in the head of a table."""
    size = "largest" if clock["largest"] else str(clock["batch_size"])
    threads = "" if clock["device"] != "cpu" else f", {clock['threads']} thr."
    return f"{clock['device']}{threads}, batch {size}"


def clock_rank(clock: ClockRow) -> tuple[str, int, float]:
    """Returns a clock's place in the table; the largest batch comes last."""
    size = math.inf if clock["largest"] else clock["batch_size"]
    return clock["device"], clock["threads"], size


def crowded_clocks(row: Timed) -> list[str]:
    """Names clocks of several threads that were slower than on one.

    Threads that wait for cores which others use show the scheduler's time.
    """
    single = {
        clock["batch_size"]: clock["sentences_per_s"]
        for clock in clocks_of(row)
        if clock["threads"] == 1 and clock["device"] == "cpu"
    }
    return [
        clock_name(clock)
        for clock in clocks_of(row)
        if clock["threads"] > 1 and clock["device"] == "cpu"
        if CROWDED * clock["sentences_per_s"] < single.get(clock["batch_size"], 0.0)
    ]


def clock_cell(row: Timed, name: str, figure: str) -> str:
    """Writes the rate of a row on one clock, and its batch if it was sought."""
    own = [clock for clock in clocks_of(row) if clock_name(clock) == name]
    if not own or name in crowded_clocks(row):
        return NOTHING
    size = f" ({own[0]['batch_size']})" if own[0]["largest"] else ""
    return f"{at(own[0], figure):.0f}{size}"
