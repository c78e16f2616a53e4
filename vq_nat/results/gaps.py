"""Owns differences of BLEU between lines, and whether they may be chance.

What a paired bootstrap of the outputs says, seed by seed. It knows nothing of what
another seed would give.
"""

from __future__ import annotations

from statistics import mean
from typing import NamedTuple

from .lines import Line
from .tables import p_value, signed

CHANCE = 0.05  # a larger one-sided p-value of a difference may be chance
AGAINST_ROWS = "against_rows"  # of a row: by the name of the other one


class Gap(NamedTuple):
    """A difference of BLEU, and how likely chance makes one as large."""

    bleu: float
    p: float | None  # None: the outputs have not been compared
    differs: bool = False  # seeds do not agree which is the better one

    def __str__(self) -> str:
        """Writes both."""
        known = "not compared" if self.p is None else p_value(self.p)
        return f"{signed(self.bleu)} ({known})"

    @property
    def may_be_chance(self) -> bool:
        """Whether the comparison says so."""
        return self.p is not None and (self.p > CHANCE or self.differs)


def told(line: Line, *names: str) -> Gap | None:
    """Returns the mean difference that a line's rows tell, with the largest p-value.

    None if not every row was compared: the mean of some seeds is not that of all.

    Args:
        line: the line.
        names: where in its rows the comparison stands.
    """
    gaps = line.values(*names, "bleu")
    signs = {gap > 0 for gap in gaps}
    p = max(line.values(*names, "bleu_p"), default=None)
    if not gaps or len(gaps) < len(line.rows):
        return None
    return Gap(mean(gaps), p, len(signs) > 1)


def between(lower: Line, higher: Line) -> Gap:
    """Returns the difference of two lines, of which the higher one's rows may tell."""
    gap = higher.bleu - lower.bleu
    known = told(higher, AGAINST_ROWS, lower.name)
    return Gap(gap, None) if known is None else known._replace(bleu=gap)
