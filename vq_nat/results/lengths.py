"""Owns lengths, in target words: the ranges that rows tell apart, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from typing import NamedTuple, TypeVar

from .lines import Line
from .rows import LengthRange, LengthScores, at
from .tables import NOTHING, Column, markdown, number, percent

OfRange = TypeVar("OfRange", bound=LengthRange)

EDGES = (10, 20, 30, 45)  # the last lengths of all ranges but the longest
FEWEST = 20  # sentences of a range; BLEU of fewer says nothing


class Range(NamedTuple):
    """Lengths from `least` to `most`, which None leaves open."""

    least: int
    most: int | None

    @property
    def name(self) -> str:
        """For readers."""
        if self.most is None:
            return f"{self.least} and more"
        return f"{self.least}–{self.most}"


RANGES = tuple(
    Range(below + 1, most) for below, most in zip((0, *EDGES), (*EDGES, None))
)


def range_of(words: int) -> int:
    """Returns the number of the range that a length is in."""
    return sum(words > edge for edge in EDGES)


def by_range(rows: Iterable[OfRange] | None) -> dict[Range, OfRange]:
    """Returns what is known of each range; nothing of a row that has no lengths."""
    return {Range(row["least"], row["most"]): row for row in rows or ()}


# ---------------------------------------------------------------------- what lines know


def bleu_at(line: Line, length: Range, test_set: str = "") -> float | None:
    """Returns BLEU on the sentences of a range, the mean over seeds.

    Args:
        line: the line.
        length: the range.
        test_set: another one than the main one.
    """
    known = [scores(line, n, test_set).get(length) for n in range(len(line.rows))]
    enough = [one["bleu"] for one in known if one and one["sentences"] >= FEWEST]
    return mean(enough) if enough else None


def scores(line: Line, seed: int, test_set: str = "") -> dict[Range, LengthScores]:
    """Returns what the row of a seed knows of each range."""
    path = ("other_test_sets", test_set, "by_length") if test_set else ("by_length",)
    return by_range(at(line.rows[seed], *path))


def ms_at(line: Line, length: Range) -> float | None:
    """Returns milliseconds of one sentence of a range, one at a time."""
    times = by_range(line.timed.get("latency_by_length"))
    return times[length]["ms"]["median"] if length in times else None


def words_at(line: Line, length: Range) -> float:
    """Returns the mean number of target words of a range's timed sentences."""
    return by_range(line.timed["latency_by_length"])[length]["words"]


# --------------------------------------------------------------------------- the tables

Cell = Callable[[Line, Range], str]


def length_tables(lines: Sequence[Line]) -> str:
    """Returns BLEU, time and repetitions by length; empty where nothing is known."""
    known = [line for line in lines if line.rows[0].get("by_length")]
    timed = [o for o in known if o.is_timed and o.timed.get("latency_by_length")]
    others = (line.rows[0].get("other_test_sets", ()) for line in known)
    sets = {known[0].rows[0]["test_set"]: ""} if known else {}
    sets |= {name: name for names in others for name in names}
    tables = [
        *(
            titled(f"BLEU on {name}, by words of the reference", known, bleu_cell(of))
            for name, of in sets.items()
        ),
        titled("Milliseconds of one sentence, one at a time", timed, ms_cell),
        titled("Share of words that repeat the one before", known, repetition_cell),
    ]
    return "\n\n".join(table for table in tables if table)


def titled(title: str, lines: Sequence[Line], cell: Cell) -> str:
    """Returns a table of a column for each range, without lines of nothing."""
    known = [o for o in lines if any(cell(o, length) != NOTHING for length in RANGES)]
    if not known:
        return ""

    def of_range(length: Range) -> Column[Line]:
        return length.name, lambda line: cell(line, length)

    columns: list[Column[Line]] = [("system", lambda line: line.label)]
    columns += [of_range(length) for length in RANGES]
    return f"{title}:\n\n{markdown(columns, known)}"


def bleu_cell(test_set: str) -> Cell:
    """Returns how BLEU on a test set is written."""
    return lambda line, length: number(bleu_at(line, length, test_set))


def ms_cell(line: Line, length: Range) -> str:
    """Writes the time of a sentence."""
    return number(ms_at(line, length), 2)


def repetition_cell(line: Line, length: Range) -> str:
    """Writes how often a word repeats the one before."""
    known = scores(line, 0).get(length)
    return percent(known["repetition_rate"]) if known else NOTHING
