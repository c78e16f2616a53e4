"""The ranges of lengths, in target words, that rows tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from .rows import LengthRange

OfRange = TypeVar("OfRange", bound=LengthRange)

EDGES = (10, 20, 30, 45)  # the last lengths of all ranges but the longest


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
