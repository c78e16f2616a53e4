"""Owns the paper's claims: each is held or not by the figures, or not measured yet.

A difference of BLEU counts when a paired bootstrap of the outputs says so. That knows
nothing of what another seed would give: their number stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from examples.paper_table.cells import one_digit, p_value, signed
from examples.paper_table.entries import (
    CLEARLY,
    Entry,
    by_latency,
    by_name,
    same_machine,
    speed_up,
    with_spread,
)

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"
WITHIN_CHANCE, NOT_COMPARED = "within chance", "not compared"
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
ABOVE_NAT = (Pair("nat-npd10", "vq-em10"), Pair("nat-npd100", "vq-em10"))
ABOVE_SEMHASH = (Pair("semhash", "vq-em10"),)
LOWER = Pair("vq-em10-nc4", "vq-em10")
# Whose outputs are compared, and where the higher one's row says how.
PAIRS = (*DISTILLATION, *SOFT, *ABOVE_NAT, *ABOVE_SEMHASH, LOWER)
ROWS = "against_rows"


def judge(lines: Sequence[Entry]) -> list[Claim]:
    """Holds every claim against the rows."""
    entries = by_name(lines)
    return [
        compare("Distillation helps", DISTILLATION, entries, strictly=True),
        compare("Soft EM is at least as good as hard EM", SOFT, entries),
        compare("VQ-EM is above NAT + NPD", ABOVE_NAT, entries, strictly=True),
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
    if any(
        gap.bleu < 0 and gap.p is not None and not gap.may_be_chance for gap in gaps
    ):
        return NOT_HELD
    if any(gap.p is None for gap in gaps):
        return NOT_COMPARED
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
    if not all(name in entries for name in LOWER):
        return Claim(text, NOT_MEASURED, "")
    three, four = entries[LOWER.higher], entries[LOWER.lower]
    if not same_machine(three, four):
        return Claim(text, NOT_MEASURED, "the two were timed on different machines")
    gap = gap_of(LOWER, entries)
    figures = (
        f"{four.latency:.1f} against {three.latency:.1f} ms/sentence, "
        f"{describe(four)} against {describe(three)}: {gap}"
    )
    found = {judge_gaps([gap], strictly=True), judge_ratio(three.latency, four.latency)}
    order = (NOT_HELD, NOT_COMPARED, WITHIN_CHANCE, HELD)  # the worst counts
    return Claim(text, min(found, key=order.index), figures)


def judge_ratio(slow: float, fast: float) -> str:
    """Returns the verdict on a time that is claimed to be the shorter one."""
    if 1 / CLEARLY < slow / fast < CLEARLY:
        return WITHIN_CHANCE
    return verdict(slow > fast)


def nearly_greedy(entries: Entries) -> Claim:
    """The paper's headline: nearly the teacher's quality, at a fraction of its time."""
    text = (
        f"VQ-EM + distillation reaches {SHARE_OF_GREEDY:.0%} of the teacher's greedy "
        f"BLEU at {TIMES_BEAM:g} times the speed of its beam 4 in fairseq, one "
        "sentence at a time (paper: 98.9% and 4.08 times)"
    )
    found = [
        (entry, entry.bleu / entries[GREEDY].bleu, times)
        for entry in known_of(entries, OURS)
        if GREEDY in entries and entries[GREEDY].bleu > 0
        if (times := speed_up(entries.get(BEAM), entry)) is not None
    ]
    if not found:
        return Claim(text, NOT_MEASURED, "")
    reached = [share >= SHARE_OF_GREEDY and t >= TIMES_BEAM for _, share, t in found]
    rivals = known_of(entries, CTRANSLATE2_BEAM)
    figures = [
        f"{'' if is_reached else 'not '}by {entry.quoted}, {share:.1%} at {times:.2f} "
        f"times{beside(entry, rivals) if is_reached else ''}"
        for (entry, share, times), is_reached in zip(found, reached, strict=True)
    ]
    figures.sort(key=lambda figure: figure.startswith("not "))
    return Claim(text, verdict(any(reached)), "; ".join(figures))


def beside(entry: Entry, rivals: Sequence[Entry]) -> str:
    """Says how a line stands to what runs the teacher's beam fastest."""
    comparable = [rival for rival in rivals if same_machine(rival, entry)]
    if not comparable:
        return ""
    rival = min(comparable, key=by_latency)
    times = rival.latency / entry.latency
    return f" ({times:.2f} times the speed of {rival.quoted}, {rival.bleu:.1f} BLEU)"


def faster_than_ctranslate2(entries: Entries) -> Claim:
    """Against what a user would otherwise pick."""
    text = "At batch 1 ours is faster than the same teacher in CTranslate2, greedy"
    pairs = [
        (theirs, ours)
        for theirs in known_of(entries, CTRANSLATE2)
        for ours in known_of(entries, OURS)
        if same_machine(theirs, ours)
    ]
    if not pairs:
        return Claim(text, NOT_MEASURED, "")
    theirs = min((theirs for theirs, _ in pairs), key=by_latency)
    rivals = [ours for one, ours in pairs if one is theirs]
    ours = min(rivals, key=by_latency)
    times = theirs.latency / ours.latency
    figures = (
        f"{ours.quoted} {ours.latency:.1f} ms/sentence ({ours.bleu:.1f} BLEU), "
        f"{theirs.quoted} {theirs.latency:.1f} ({theirs.bleu:.1f} BLEU): "
        f"{times:.2f} times as fast"
    )
    return Claim(text, judge_ratio(theirs.latency, ours.latency), figures)


def known_of(entries: Entries, names: Sequence[str]) -> list[Entry]:
    """Returns those of some lines that are there."""
    return [entries[name] for name in names if name in entries]
