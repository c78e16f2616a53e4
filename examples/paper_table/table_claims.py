"""Owns the paper's claims: each is held or not by the figures, or not measured yet.

A difference of BLEU counts when a paired bootstrap of the outputs says so. That knows
nothing of what another seed would give: their number stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from table_cells import one_digit, p_value
from table_entries import (
    CLEARLY,
    Entry,
    by_latency,
    by_name,
    same_machine,
    speed_up,
    with_spread,
)

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"
WITHIN_CHANCE = "within chance"
CHANCE = 0.05  # a larger p-value of a difference may be chance
SYSTEMS = ("vq-em10", "vq-em10-nc4", "tuned", "tuned-mono")  # without help of a teacher
ENGINES = ("", "-onnx", "-onnx-int8")  # what they run on: torch, and ONNX Runtime
OURS = tuple(system + engine for system in SYSTEMS for engine in ENGINES)
SHARE_OF_GREEDY, TIMES_BEAM = 0.97, 4.0
BEAM, GREEDY = "teacher-beam4", "teacher-greedy"
CTRANSLATE2 = ("ct2-teacher-greedy", "ct2-teacher-greedy-int8")
CTRANSLATE2_BEAM = ("ct2-teacher-beam4", "ct2-teacher-beam4-int8")

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


DISTILLATION = (
    Pair("vq-raw", "vq"),
    Pair("vq-em5-raw", "vq-em10"),
    Pair("semhash-raw", "semhash"),
)
SOFT = (Pair("vq-raw", "vq-em5-raw"), Pair("vq", "vq-em10"))
ABOVE_NAT = (Pair("nat-npd100", "vq-em10"),)
ABOVE_SEMHASH = (Pair("semhash", "vq-em10"),)
PAIRS = (*DISTILLATION, *SOFT, *ABOVE_NAT, *ABOVE_SEMHASH)  # whose outputs are compared


def judge(lines: Sequence[Entry]) -> list[Claim]:
    """Holds every claim against the rows."""
    entries = by_name(lines)
    return [
        compare("Distillation helps", DISTILLATION, entries, strictly=True),
        compare("Soft EM is at least as good as hard EM", SOFT, entries),
        compare("VQ-EM is above NAT + NPD 100", ABOVE_NAT, entries, strictly=True),
        compare("VQ-EM is above semhash", ABOVE_SEMHASH, entries, strictly=True),
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
        f"{describe(entries[pair.higher])} against {describe(entries[pair.lower])}: "
        f"{gap}"
        for pair, gap in zip(known, gaps, strict=True)
    )
    if len(known) < len(pairs):
        figures += f"; {len(pairs) - len(known)} further pair(s) not measured"
    return Claim(text, judge_gaps(gaps, strictly), figures)


class Gap(NamedTuple):
    """A difference of BLEU, and how likely chance makes one as large."""

    bleu: float
    p: float | None  # None: not compared

    def __str__(self) -> str:
        """Writes both."""
        known = "" if self.p is None else f" ({p_value(self.p)})"
        return f"{self.bleu:+.1f}{known}"

    @property
    def may_be_chance(self) -> bool:
        """Whether the outputs have been compared, and say so."""
        return self.p is not None and self.p > CHANCE


def gap_of(pair: Pair, entries: Entries) -> Gap:
    """Returns the difference between two lines, with the largest p-value of a seed."""
    lower, higher = entries[pair.lower], entries[pair.higher]
    known = higher.values("against_rows", pair.lower, "bleu_p")
    return Gap(higher.bleu - lower.bleu, max(known, default=None))


def judge_gaps(gaps: Sequence[Gap], strictly: bool) -> str:
    """Returns the verdict on differences that are claimed to be positive.

    Args:
        gaps: of all pairs.
        strictly: equal is not enough.
    """
    if any(gap.bleu < 0 and not gap.may_be_chance for gap in gaps):
        return NOT_HELD
    if any(gap.may_be_chance for gap in gaps):
        return WITHIN_CHANCE
    return verdict(not strictly or all(gap.bleu > 0 for gap in gaps))


def verdict(holds: bool) -> str:
    """Returns the word for it."""
    return HELD if holds else NOT_HELD


def describe(entry: Entry) -> str:
    """Writes a line's name, BLEU and number of seeds."""
    values = entry.values("bleu")
    seeds = f"{len(values)} seeds" if len(values) > 1 else "one seed"
    return f"{entry.quoted} {with_spread(values, one_digit)} ({seeds})"


def faster_and_lower(entries: Entries) -> Claim:
    """More words per code: less time, less quality."""
    text = "n_c = 4 is faster than n_c = 3, and lower in BLEU"
    if "vq-em10" not in entries or "vq-em10-nc4" not in entries:
        return Claim(text, NOT_MEASURED, "")
    three, four = entries["vq-em10"], entries["vq-em10-nc4"]
    if not same_machine(three, four):
        return Claim(text, NOT_MEASURED, "the two were timed on different machines")
    holds = four.latency < three.latency and four.bleu < three.bleu
    figures = (
        f"{four.latency:.1f} against {three.latency:.1f} ms/sentence, "
        f"{describe(four)} against {describe(three)}"
    )
    return Claim(text, verdict(holds), figures)


def nearly_greedy(entries: Entries) -> Claim:
    """The paper's headline: nearly the teacher's quality, at a fraction of its time."""
    text = (
        f"VQ-EM + distillation reaches {SHARE_OF_GREEDY:.0%} of the teacher's greedy "
        f"BLEU at {TIMES_BEAM:g} times the speed of its beam 4 in fairseq, one "
        "sentence at a time (paper: 98.9% and 4.08 times)"
    )
    found = [
        (entry, entry.bleu / entries[GREEDY].bleu, times)
        for entry in (entries[name] for name in OURS if name in entries)
        if GREEDY in entries and entries[GREEDY].bleu > 0
        if (times := speed_up(entries.get(BEAM), entry)) is not None
    ]
    if not found:
        return Claim(text, NOT_MEASURED, "")
    reached = [share >= SHARE_OF_GREEDY and t >= TIMES_BEAM for _, share, t in found]
    rival = fastest(entries, CTRANSLATE2_BEAM)
    figures = [
        f"{'' if is_reached else 'not '}by {entry.quoted}, {share:.1%} at {times:.2f} "
        f"times{beside(entry, rival) if is_reached else ''}"
        for (entry, share, times), is_reached in zip(found, reached, strict=True)
    ]
    figures.sort(key=lambda figure: figure.startswith("not "))
    return Claim(text, verdict(any(reached)), "; ".join(figures))


def beside(entry: Entry, rival: Entry | None) -> str:
    """Says how a line stands to what runs the teacher's beam fastest."""
    times = speed_up(rival, entry)
    if rival is None or times is None:
        return ""
    return f" ({times:.2f} times the speed of {rival.quoted}, {rival.bleu:.1f} BLEU)"


def faster_than_ctranslate2(entries: Entries) -> Claim:
    """Against what a user would otherwise pick."""
    text = "At batch 1 ours is faster than the same teacher in CTranslate2, greedy"
    theirs = fastest(entries, CTRANSLATE2)
    ours = fastest(entries, OURS)
    times = speed_up(theirs, ours) if theirs and ours else None
    if theirs is None or ours is None or times is None:
        return Claim(text, NOT_MEASURED, "")
    how = f"{times:.2f} times as fast"
    if 1 / CLEARLY < times < CLEARLY:
        how += ", which may be chance"
    figures = (
        f"{ours.quoted} {ours.latency:.1f} ms/sentence ({ours.bleu:.1f} BLEU), "
        f"{theirs.quoted} {theirs.latency:.1f} ({theirs.bleu:.1f} BLEU): {how}"
    )
    return Claim(text, verdict(times >= CLEARLY), figures)


def fastest(entries: Entries, names: Sequence[str]) -> Entry | None:
    """Returns the fastest of some lines at batch 1, None if there is none."""
    known = [entries[name] for name in names if name in entries]
    return min(known, key=by_latency, default=None)
