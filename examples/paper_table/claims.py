"""Owns the paper's claims: each is held or not by the figures, or not measured yet.

A difference of BLEU counts when a paired bootstrap of the outputs says so. That knows
nothing of what another seed would give: their number stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from examples.paper_table.cells import SAYS, one_digit, p_value, signed
from examples.paper_table.entries import (
    BEAM,
    CLEARLY,
    GREEDY,
    Entry,
    by_name,
    speed_up,
    with_spread,
)
from examples.paper_table.rows import TableRow
from vq_nat.results.rows import at

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"
WITHIN_CHANCE, NOT_COMPARED = "within chance", "not compared"
UNEQUAL = "its times do not compare: the machine was in another state"
CHANCE = 0.05  # a larger p-value of a difference may be chance
SETTING = "vq-em10"  # the paper's: n_c = 3, soft EM with 10 samples, distilled
SHARE_OF_GREEDY, TIMES_BEAM = 0.97, 4.0
CTRANSLATE2 = ("ct2-teacher-greedy", "ct2-teacher-greedy-int8")
Entries = Mapping[str, Entry]


class Claim(NamedTuple):
    """What is said, whether it is so, and the figures."""

    text: str
    verdict: str
    figures: str


class Pair(NamedTuple):
    """Two lines of which the second should be the better one."""

    lower: str
    higher: str


LOWER = Pair("vq-em10-nc4", "vq-em10")
OF_BLEU = [(one, [Pair(*pair) for pair in one["pairs"]]) for one in SAYS["claims"]]
# Whose outputs are compared, and where the higher one's row says how.
PAIRS = (*(pair for _, pairs in OF_BLEU for pair in pairs), LOWER)
ROWS = "against_rows"


def judge(lines: Sequence[Entry]) -> list[Claim]:
    """Holds every claim against the rows."""
    entries = by_name([line for line in lines if not line.differs])
    return [
        *(
            compare(one["text"], pairs, entries, one.get("strictly", False))
            for one, pairs in OF_BLEU
        ),
        faster_and_lower(entries),
        nearly_greedy(entries),
        faster_than_ctranslate2(entries),
    ]


def compare(
    text: str, pairs: Sequence[Pair], entries: Entries, strictly: bool = False
) -> Claim:
    """Holds a claim about BLEU against all of its pairs that are measured."""
    known = [pair for pair in pairs if pair.lower in entries and pair.higher in entries]
    if not known:
        return Claim(text, NOT_MEASURED, "")
    gaps = [gap_of(pair, entries) for pair in known]
    figures = "; ".join(
        f"{compared(pair, entries)}: {gap}" for pair, gap in zip(known, gaps)
    )
    if len(known) < len(pairs):
        figures += f"; {len(pairs) - len(known)} further pair(s) not measured"
    return Claim(text, judge_gaps(gaps, strictly), figures)


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


def gap_of(pair: Pair, entries: Entries) -> Gap:
    """Returns the difference between two lines, with the largest p-value of a seed."""
    lower, higher = entries[pair.lower], entries[pair.higher]
    known = higher.values(ROWS, pair.lower, "bleu_p")
    signs = {gap > 0 for gap in higher.values(ROWS, pair.lower, "bleu")}
    gap = higher.bleu - lower.bleu
    return Gap(gap, max(known, default=None), len(signs) > 1)


def judge_gaps(gaps: Sequence[Gap], strictly: bool) -> str:
    """Returns the verdict on differences that are claimed to be positive.

    Args:
        gaps: of all pairs.
        strictly: equal is not enough.
    """
    known = [gap for gap in gaps if gap.p is not None]
    if any(gap.bleu < 0 and not gap.may_be_chance for gap in known):
        return NOT_HELD
    if len(known) < len(gaps):
        return NOT_COMPARED
    if any(gap.may_be_chance for gap in gaps):
        return WITHIN_CHANCE
    return verdict(not strictly or all(gap.bleu > 0 for gap in gaps))


def verdict(holds: bool) -> str:
    """Returns the word for it."""
    return HELD if holds else NOT_HELD


def compared(pair: Pair, entries: Entries) -> str:
    """Names two lines with their BLEU."""
    return f"{describe(entries[pair.higher])} against {describe(entries[pair.lower])}"


def describe(entry: Entry) -> str:
    """Writes a line's name, BLEU and number of seeds."""
    values = entry.values("bleu")
    seeds = f"{len(values)} seeds" if len(values) > 1 else "one seed"
    return f"{entry.quoted} {with_spread(values, one_digit)} ({seeds})"


def faster_and_lower(entries: Entries) -> Claim:
    """More words per code: less time, less quality."""
    text = "n_c = 4 is faster than n_c = 3, and lower in BLEU"
    if not all(name in entries for name in LOWER):
        return Claim(text, NOT_MEASURED, "")
    three, four = entries[LOWER.higher], entries[LOWER.lower]
    times = speed_up(three, four)
    if times is None:
        return Claim(text, NOT_MEASURED, UNEQUAL)
    gap = gap_of(LOWER, entries)
    lines = f"{describe(four)} against {describe(three)}"
    figures = f"{times:.2f} times as fast, {lines}: {gap}"
    found = {judge_gaps([gap], strictly=True), judge_times(times)}
    order = (NOT_HELD, NOT_COMPARED, WITHIN_CHANCE, HELD)  # the worst counts
    return Claim(text, min(found, key=order.index), figures)


def judge_times(times: float) -> str:
    """Returns the verdict on what is claimed to be faster, by how many times it is."""
    if 1 / CLEARLY < times < CLEARLY:
        return WITHIN_CHANCE
    return verdict(times > 1)


def nearly_greedy(entries: Entries) -> Claim:
    """The paper's headline: nearly the teacher's quality, at a fraction of its time."""
    text = (
        f"VQ-EM + distillation reaches {SHARE_OF_GREEDY:.0%} of the teacher's greedy "
        f"BLEU at {TIMES_BEAM:g} times the speed of its beam 4 in fairseq, one "
        "sentence at a time (paper: 98.9% and 4.08 times)"
    )
    greedy, base = entries.get(GREEDY), entries.get(BEAM)
    if greedy is None or not greedy.bleu or SETTING not in entries:
        return Claim(text, NOT_MEASURED, "")

    def figures(entry: Entry) -> tuple[float, float | None]:
        return entry.bleu / greedy.bleu, speed_up(base, entry)

    def reaches(found: tuple[float, float | None]) -> bool:
        share, times = found
        return share >= SHARE_OF_GREEDY and (times or 0.0) >= TIMES_BEAM

    def write(found: tuple[float, float | None]) -> str:
        share, times = found
        return f"{share:.1%} " + (f"at {times:.2f} times" if times else f"({UNEQUAL})")

    own = figures(entries[SETTING])
    known = {e.name: figures(e) for e in entries.values() if is_variant(e)}
    if own[1] is None and own[0] >= SHARE_OF_GREEDY:
        return Claim(text, NOT_MEASURED, UNEQUAL)
    others = [
        f"{entries[name].quoted}, {write(found)}, which has "
        f"{more_than(entries[name], entries[SETTING])}"
        for name, found in known.items()
        if reaches(found)
    ]
    reached = f"reached by {'; '.join(others)}" if others else "no variant reaches it"
    setting = f"the paper's setting, {entries[SETTING].quoted}: {write(own)}"
    return Claim(text, verdict(reaches(own)), f"{setting}; {reached}")


def is_variant(entry: Entry) -> bool:
    """Tells whether a line is of ours, and not the paper's setting itself."""
    return entry.ours and entry.is_system and entry.name != SETTING


def more_than(entry: Entry, setting: Entry) -> str:
    """Says in what a variant is not the paper's setting, from their rows."""
    own, known = entry.timed, setting.timed
    found = [
        f"{head} {write_trait(own, name)} (against {write_trait(known, name)})"
        for name, head in SAYS["traits"].items()
        if at(own, name) != at(known, name)
    ]
    return ", ".join(found) or "nothing more"


def write_trait(row: TableRow, name: str) -> str:
    """Writes what a row says of itself."""
    value = at(row, name)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "plain"
    return f"{value:,}" if isinstance(value, int) else str(value)


def faster_than_ctranslate2(entries: Entries) -> Claim:
    """Against what a user would otherwise pick: the paper's setting, then variants."""
    text = "At batch 1 ours is faster than the same teacher in CTranslate2, greedy"
    rivals = [entries[name] for name in CTRANSLATE2 if name in entries]
    setting = entries.get(SETTING)
    if setting is None or not rivals:
        return Claim(text, NOT_MEASURED, "")

    def times_of(ours: Entry) -> float | None:
        found = [speed_up(rival, ours) for rival in rivals]
        known = [times for times in found if times is not None]
        return min(known) if len(known) == len(rivals) else None  # against the fastest

    def write(ours: Entry, times: float) -> str:
        return f"{ours.quoted} ({ours.bleu:.1f} BLEU) is {times:.2f} times as fast"

    own = times_of(setting)
    variants = {e.name: times_of(e) for e in entries.values() if is_variant(e)}
    faster = [
        f"{write(entries[name], times)} with {more_than(entries[name], setting)}"
        for name, times in variants.items()
        if times is not None and judge_times(times) == HELD
    ]
    first = f"the paper's setting: {write(setting, own) if own else UNEQUAL}"
    known = ", ".join(f"{rival.quoted} {rival.bleu:.1f}" for rival in rivals)
    last = "; ".join(faster) or "no variant is known to be faster"
    figures = f"{first}; {last} (as the fastest of {known})"
    return Claim(text, NOT_MEASURED if own is None else judge_times(own), figures)
