"""Owns how tables are written in Markdown, and figures, figure by figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean
from typing import Any, TypeVar

from .rows import Spread, at

Of = TypeVar("Of")  # what a line of a table is about: a row of any type
Column = tuple[str, Callable[[Of], str]]  # head, and cell of a line

NOTHING = "–"


def markdown(columns: Sequence[Column[Of]], rows: Iterable[Of]) -> str:
    """Returns a Markdown table, the first column to the left."""
    heads = [head for head, _ in columns]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None, digits: int = 1) -> str:
    """Writes a figure, or that there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Writes a share."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def text_or_nothing(value: object) -> str:
    """Writes anything, or that there is none."""
    return NOTHING if value is None else str(value)


def digits_of(time: float) -> int:
    """Returns how many decimals milliseconds have: below 1 one more."""
    return 1 if time >= 1 else 2


def milliseconds(time: float) -> str:
    """Writes milliseconds."""
    return number(time, digits_of(time))


def median_and_p90(spread: Spread) -> str:
    """Writes milliseconds: median and 90th percentile, alike."""
    digits = digits_of(spread["median"])
    return f"{number(spread['median'], digits)} ({number(spread['p90'], digits)})"


def times(ratio: float | None) -> str:
    """Writes a speed-up."""
    return NOTHING if ratio is None else f"{ratio:.2f}×"


def signed(gap: float) -> str:
    """Writes a difference of scores; nothing has no sign."""
    return f"{gap:+.1f}" if round(gap, 1) else "0.0"


def p_value(p: float) -> str:
    """Writes a one-sided p-value; of 1,000 resamples, 0.001 is the smallest."""
    return "p ≤ 0.001" if p < 0.0015 else f"p = {p:.3f}"


def mean_and_range(
    values: Sequence[float], write: Callable[[float], str] = "{:.1f}".format
) -> str:
    """Writes mean (lowest–highest), a single value alone, or that there is none."""
    if len(values) <= 1:
        return write(values[0]) if values else NOTHING
    least, most = write(min(values)), write(max(values))
    dash = " to " if least.startswith(("+", "-")) else "–"
    return f"{write(mean(values))} ({least}{dash}{most})"


def shared(rows: Iterable[Mapping[str, object]], name: str) -> str:
    """Returns what all rows say of something; if they differ, all they say."""
    return distinct(row.get(name) for row in rows)


def distinct(values: Iterable[Any]) -> str:
    """Joins the different values in order."""
    known = dict.fromkeys(str(value) for value in values if value not in (None, ""))
    return " / ".join(known) or "unknown"


def packages(rows: Iterable[Mapping[str, object]], *parts: str) -> str:
    """Returns names and versions of what rows were made with.

    Args:
        rows: all of a table.
        parts: where a row has them.
    """
    known = [at(row, part) or {} for part in parts or ("versions",) for row in rows]
    return distinct(", ".join(f"{k} {v}" for k, v in one.items()) for one in known)


def made_on(rows: Sequence[Mapping[str, object]], *more: str) -> str:
    """Says on what rows were made: processor, threads, more of theirs, versions."""
    known = "".join(f", {shared(rows, name)}" for name in more)
    return (
        f"On {shared(rows, 'processor')}, {shared(rows, 'threads')} thread(s){known}; "
        f"{packages(rows)}; commit {shared(rows, 'commit')}."
    )
