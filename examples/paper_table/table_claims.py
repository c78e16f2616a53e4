"""Owns the paper's claims: each is held or not by the figures, or not measured yet.

Whether a difference is more than chance, one seed cannot say: the number of seeds
stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from table_cells import one_digit
from table_entries import (
    CLEARLY,
    Entry,
    by_name,
    same_machine,
    speed_up,
    with_spread,
)

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"
SYSTEMS = ("vq-em10", "vq-em10-nc4", "tuned", "tuned-mono")  # without help of a teacher
ENGINES = ("", "-onnx", "-onnx-int8")  # what they run on: torch, and ONNX Runtime
OURS = tuple(system + engine for system in SYSTEMS for engine in ENGINES)
SHARE_OF_GREEDY, TIMES_BEAM = 0.97, 4.0
BEAM, GREEDY = "teacher-beam4", "teacher-greedy"
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


DISTILLATION = (
    Pair("vq-raw", "vq"),
    Pair("vq-em5-raw", "vq-em10"),
    Pair("semhash-raw", "semhash"),
)
SOFT = (Pair("vq-raw", "vq-em5-raw"), Pair("vq", "vq-em10"))
ABOVE_NAT = (Pair("nat-npd100", "vq-em10"),)
ABOVE_SEMHASH = (Pair("semhash", "vq-em10"),)


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
    gaps = [entries[high].bleu - entries[low].bleu for low, high in known]
    holds = all(gap > 0 if strictly else gap >= 0 for gap in gaps)
    figures = "; ".join(
        f"{describe(entries[high])} against {describe(entries[low])}: {gap:+.1f}"
        for (low, high), gap in zip(known, gaps, strict=True)
    )
    if len(known) < len(pairs):
        figures += f"; {len(pairs) - len(known)} further pair(s) not measured"
    return Claim(text, verdict(holds), figures)


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
        f"BLEU at {TIMES_BEAM:g} times the speed of its beam 4, one sentence at a time "
        "(paper: 98.9% and 4.08 times)"
    )
    found = [
        (entry, entry.bleu / entries[GREEDY].bleu, times)
        for entry in (entries[name] for name in OURS if name in entries)
        if GREEDY in entries and entries[GREEDY].bleu > 0
        if (times := speed_up(entries.get(BEAM), entry)) is not None
    ]
    if not found:
        return Claim(text, NOT_MEASURED, "")
    holds = any(s >= SHARE_OF_GREEDY and t >= TIMES_BEAM for _, s, t in found)
    figures = "; ".join(
        f"{entry.quoted}: {share:.1%} at {times:.2f} times"
        for entry, share, times in found
    )
    return Claim(text, verdict(holds), figures)


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
    key: Callable[[Entry], float] = lambda entry: entry.latency  # noqa: E731
    return min(known, key=key, default=None)
