"""Owns the paper's claims: each is held or not by the figures, or not measured yet.

A difference of BLEU counts when a paired bootstrap of the outputs says so. That knows
nothing of what another seed would give: their number stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_prep.lib.options import read_yaml
from vq_nat.results.gaps import Gap, between
from vq_nat.results.lines import BEAM, CLEARLY, GREEDY, Line, by_name, speed_up
from vq_nat.results.rows import Row, at
from vq_nat.results.tables import mean_and_range

SAYS = read_yaml(Path(__file__).with_name("report.yaml"))
HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"
WITHIN_CHANCE, NOT_COMPARED = "within chance", "not compared"
UNEQUAL = "its times do not compare: the machine was in another state"
SETTING = "vq-em10"  # the paper's: n_c = 3, soft EM with 10 samples, distilled
SHARE_OF_GREEDY, TIMES_BEAM = 0.97, 4.0
CTRANSLATE2 = ("ct2-teacher-greedy", "ct2-teacher-greedy-int8")
Lines = Mapping[str, Line]  # by name


class Claim(NamedTuple):
    """What is said, whether it is so, and the figures."""

    text: str
    verdict: str = NOT_MEASURED
    figures: str = ""


class Pair(NamedTuple):
    """Two lines of which the second should be the better one."""

    lower: str
    higher: str


LOWER = Pair("vq-em10-nc4", "vq-em10")
OF_BLEU = [(one, [Pair(*pair) for pair in one["pairs"]]) for one in SAYS["claims"]]
# Whose outputs are compared.
PAIRS = (*(pair for _, pairs in OF_BLEU for pair in pairs), LOWER)


def claims_text(lines: Sequence[Line]) -> str:
    """Returns the paper's claims and what the figures say of them, as a list.

    Those that nothing is known of come last, in one line.
    """
    claims = judge(lines)
    told = [
        f"- {claim.text}: **{claim.verdict}** – {claim.figures}."
        for claim in claims
        if claim.verdict != NOT_MEASURED
    ]
    unknown = [
        claim.text + (f" ({claim.figures})" if claim.figures else "")
        for claim in claims
        if claim.verdict == NOT_MEASURED
    ]
    if unknown:
        told.append(f"- **{NOT_MEASURED.capitalize()}**: {'; '.join(unknown)}.")
    return "\n".join(told)


def judge(lines: Sequence[Line]) -> list[Claim]:
    """Holds every claim against the rows."""
    known = by_name([line for line in lines if not line.differs])
    return [
        *(
            compare(one["text"], pairs, known, one.get("strictly", False))
            for one, pairs in OF_BLEU
        ),
        faster_and_lower(known),
        nearly_greedy(known),
        faster_than_ctranslate2(known),
    ]


def compare(
    text: str, pairs: Sequence[Pair], lines: Lines, strictly: bool = False
) -> Claim:
    """Holds a claim about BLEU against all of its pairs that are measured."""
    known = [pair for pair in pairs if pair.lower in lines and pair.higher in lines]
    if not known:
        return Claim(text)
    gaps = [between(lines[pair.lower], lines[pair.higher]) for pair in known]
    figures = "; ".join(
        f"{compared(pair, lines)}: {gap}" for pair, gap in zip(known, gaps)
    )
    if len(known) < len(pairs):
        figures += f"; {len(pairs) - len(known)} further pair(s) not measured"
    return Claim(text, judge_gaps(gaps, strictly), figures)


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


def compared(pair: Pair, lines: Lines) -> str:
    """Names two lines with their BLEU."""
    return f"{describe(lines[pair.higher])} against {describe(lines[pair.lower])}"


def describe(line: Line) -> str:
    """Writes a line's name, BLEU and number of seeds."""
    values = line.values("bleu")
    seeds = f"{len(values)} seeds" if len(values) > 1 else "one seed"
    return f"{line.quoted} {mean_and_range(values)} ({seeds})"


def faster_and_lower(lines: Lines) -> Claim:
    """More words per code: less time, less quality."""
    text = "n_c = 4 is faster than n_c = 3, and lower in BLEU"
    if not all(name in lines for name in LOWER):
        return Claim(text)
    times = speed_up(lines[LOWER.higher], lines[LOWER.lower])
    if times is None:
        return Claim(text, figures=UNEQUAL)
    gap = between(lines[LOWER.lower], lines[LOWER.higher])
    figures = f"{times:.2f} times as fast, {compared(LOWER, lines)}: {gap}"
    parts = (judge_gaps([gap], strictly=True), judge_times(times))
    order = (NOT_HELD, NOT_COMPARED, WITHIN_CHANCE, HELD)  # the worst counts
    return Claim(text, min(parts, key=order.index), figures)


def judge_times(times: float) -> str:
    """Returns the verdict on what is claimed to be faster, by how many times it is."""
    if 1 / CLEARLY < times < CLEARLY:
        return WITHIN_CHANCE
    return verdict(times > 1)


def nearly_greedy(lines: Lines) -> Claim:
    """The paper's headline: nearly the teacher's quality, at a fraction of its time."""
    text = (
        f"VQ-EM + distillation reaches {SHARE_OF_GREEDY:.0%} of the teacher's greedy "
        f"BLEU at {TIMES_BEAM:g} times the speed of its beam 4 in fairseq, one "
        "sentence at a time (paper: 98.9% and 4.08 times)"
    )
    greedy, base, setting = (lines.get(name) for name in (GREEDY, BEAM, SETTING))
    if greedy is None or not greedy.bleu or setting is None:
        return Claim(text)
    best = greedy.bleu

    def share(line: Line) -> float:
        return line.bleu / best

    def reaches(line: Line) -> bool:
        times = speed_up(base, line) or 0.0
        return share(line) >= SHARE_OF_GREEDY and times >= TIMES_BEAM

    def write(line: Line) -> str:
        times = speed_up(base, line)
        paces = f"at {times:.2f} times" if times else f"({UNEQUAL})"
        return f"{share(line):.1%} {paces}"

    if speed_up(base, setting) is None and share(setting) >= SHARE_OF_GREEDY:
        return Claim(text, figures=UNEQUAL)
    others = [
        f"{line.quoted}, {write(line)}, which has {more_than(line, setting)}"
        for line in variants(lines)
        if reaches(line)
    ]
    unknown = any(
        share(line) >= SHARE_OF_GREEDY and speed_up(base, line) is None
        for line in variants(lines)
    )
    none = f"no variant {'is known to reach' if unknown else 'reaches'} it"
    reached = f"reached by {'; '.join(others)}" if others else none
    own = f"the paper's setting, {setting.quoted}: {write(setting)}"
    return Claim(text, verdict(reaches(setting)), f"{own}; {reached}")


def variants(lines: Lines) -> list[Line]:
    """Returns the lines of ours that are not the paper's setting itself."""
    systems = [line for line in lines.values() if line.ours and line.is_system]
    return [line for line in systems if line.name != SETTING]


def more_than(line: Line, setting: Line) -> str:
    """Says in what a variant is not the paper's setting, from their rows."""
    own, known = line.timed, setting.timed
    more = [
        f"{head} {write_trait(own, name)} (against {write_trait(known, name)})"
        for name, head in SAYS["traits"].items()
        if at(own, name) != at(known, name)
    ]
    return ", ".join(more) or "nothing more"


def write_trait(row: Row, name: str) -> str:
    """Writes what a row says of itself."""
    value = at(row, name)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "plain"
    return f"{value:,}" if isinstance(value, int) else str(value)


def faster_than_ctranslate2(lines: Lines) -> Claim:
    """Against what a user would otherwise pick: the paper's setting, then variants."""
    text = "At batch 1 ours is faster than the same teacher in CTranslate2, greedy"
    rivals = [lines[name] for name in CTRANSLATE2 if name in lines]
    setting = lines.get(SETTING)
    if setting is None or not rivals:
        return Claim(text)

    def least(line: Line) -> float | None:
        """Returns how many times as fast as the fastest rival, if all are known."""
        known = [speed_up(rival, line) for rival in rivals]
        return min((one for one in known if one), default=None) if all(known) else None

    def write(line: Line, times: float) -> str:
        return f"{line.quoted} ({line.bleu:.1f} BLEU) is {times:.2f} times as fast"

    own = least(setting)
    faster = [
        f"{write(line, times)} with {more_than(line, setting)}"
        for line in variants(lines)
        if (times := least(line)) and judge_times(times) == HELD
    ]
    first = f"the paper's setting: {write(setting, own) if own else UNEQUAL}"
    known = ", ".join(f"{rival.quoted} {rival.bleu:.1f}" for rival in rivals)
    last = "; ".join(faster) or "no variant is known to be faster"
    figures = f"{first}; {last} (as the fastest of {known})"
    return Claim(text, judge_times(own) if own else NOT_MEASURED, figures)
