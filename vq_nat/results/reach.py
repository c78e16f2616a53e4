"""Owns where parallel decoding pays: from how many words on ours is the faster one.

At equal quality, that is, and against the fastest good rival that writes word for word.
The answer is one sentence, whichever way it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from .lengths import RANGES, Range, bleu_at, ms_at
from .lines import (
    BEAM,
    CLEARLY,
    GREEDY,
    Line,
    by_latency,
    by_name,
    comparable,
    pareto_front,
)
from .tables import percent

EQUAL = 0.97  # of a rival's BLEU, or more, is equal quality
RIVALS = {"in CTranslate2": ("ctranslate2",), "in any engine": ()}


class Duel(NamedTuple):
    """A line of ours beside a rival, in the ranges in which both were measured."""

    ours: Line
    rival: Line
    kept: dict[Range, float]  # share of the rival's BLEU
    gains: dict[Range, float]  # how many times as fast

    @classmethod
    def of(cls, ours: Line, rival: Line) -> Duel:
        """Sets two lines beside each other."""
        kept, gains = {}, {}
        for length in RANGES:
            bleu, other_bleu = (bleu_at(line, length) for line in (ours, rival))
            ms, other_ms = (ms_at(line, length) for line in (ours, rival))
            if None not in (bleu, other_bleu, ms, other_ms):
                kept[length] = (bleu or 0.0) / other_bleu if other_bleu else 1.0
                gains[length] = (other_ms or 0.0) / ms if ms else 1.0
        return cls(ours, rival, kept, gains)

    def wins(self, length: Range) -> bool:
        """Tells whether ours is the faster one of a range, at equal quality."""
        return self.gains[length] >= CLEARLY and self.kept[length] >= EQUAL

    @property
    def won(self) -> list[Range]:
        """The ranges that ours wins: without a gap, from the longest one on."""
        return [*takewhile(self.wins, reversed(self.gains))][::-1]


def verdicts(lines: Sequence[Line]) -> Iterator[str]:
    """Yields from how many words on ours is the faster one, against each rival."""
    known = timed_by_length(lines)
    ours = [line for line in known if has_codes(line)]
    seen: set[str] = set()
    for where, groups in RIVALS.items():
        rival = fastest_rival(known, groups)
        if rival is None or not ours or rival.name in seen:
            continue
        seen.add(rival.name)
        duels = (Duel.of(line, rival) for line in ours)
        best = max(duels, key=lambda duel: (len(duel.won), duel.ours.bleu))
        yield verdict(best, where)


def timed_by_length(lines: Sequence[Line]) -> list[Line]:
    """Returns the lines whose times compare, and are known of each length."""
    return [o for o in comparable(lines) if o.timed.get("latency_by_length")]


def has_codes(line: Line) -> bool:
    """Tells whether a line is a model of ours, whose codes may be words."""
    return bool(line.timed.get("n_c") or line.timed.get("words_per_code"))


def fastest_rival(lines: Sequence[Line], groups: Sequence[str]) -> Line | None:
    """Returns the fastest line that writes word for word and translates well.

    Args:
        lines: whose times compare.
        groups: of the rival; none for all.
    """
    rivals = [o for o in lines if o.timed.get("beam") is not None]  # word for word
    rivals = [o for o in rivals if not groups or o.group in groups]
    best = max((line.bleu for line in rivals), default=0.0)
    good = [line for line in rivals if line.bleu >= EQUAL * best]
    return min(good, key=by_latency, default=None)


def verdict(duel: Duel, where: str) -> str:
    """Says from how many words on ours is the faster one, or where it fails."""
    ours, rival, kept, gains = duel
    named = f"{rival.quoted}, the fastest good one {where} that writes word for word"
    if not gains:
        return f"Ours and {named}, were not measured at the same lengths."
    if won := duel.won:
        rates = [gains[length] for length in won]
        every = won[0].least == 1
        reach = "At every measured length" if every else f"From {won[0].least} words on"
        return (
            f"{reach} ours is the faster one at equal quality: "
            f"{ours.quoted} is {min(rates):.1f} to {max(rates):.1f} times as fast as "
            f"{named}, with {percent(min(kept[length] for length in won))} or more of "
            "its BLEU at each length."
        )
    longest = [*gains][-1]
    return (
        "At no length is ours the faster one at equal quality "
        f"({EQUAL:.0%} of BLEU or more): at {longest.name} words {ours.quoted} is "
        f"{gains[longest]:.1f} times as fast as {named}, with "
        f"{percent(kept[longest])} of its BLEU."
    )


def drawn(lines: Sequence[Line]) -> list[Line]:
    """Returns the lines worth a curve: the front, the teacher, and the rivals."""
    known = timed_by_length(lines)
    rivals = [fastest_rival(known, groups) for groups in RIVALS.values()]
    shown = [*pareto_front(known, by_latency), *(o for o in rivals if o)]
    names = {BEAM, GREEDY, *by_name(shown)}
    return [line for line in known if line.name in names]


def teacher_of(lines: Sequence[Line]) -> Line | None:
    """Returns the teacher whose BLEU others are set against, the beam's if known."""
    known = by_name(lines)
    return known.get(BEAM) or known.get(GREEDY)
