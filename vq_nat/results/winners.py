"""Owns who wins where, and where we lose: every word from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from .lines import (
    CLEARLY,
    Cost,
    Line,
    by_best_batch,
    by_latency,
    comparable,
    pareto_front,
)

NONE_COMPARE = (
    "**Speed** is not compared: the machine changed its state between most of the "
    "systems. Timing all of them anew, in one go, would."
)
SEEN = 0.05  # a smaller difference of BLEU rounds to nothing


def winners(lines: Sequence[Line]) -> str:
    """Returns a list of findings; empty without anything to compare.

    In time only those lines are compared whose times were taken in equal conditions.
    """
    systems = [line for line in lines if line.is_system]
    if not any(e.ours for e in systems) or all(e.ours for e in systems):
        return ""
    best = best_quality(
        [line for line in systems if line.ours],
        [line for line in systems if not line.ours],
    )
    known = comparable(lines)
    ours = [line for line in known if line.ours]
    others = [line for line in known if not line.ours]
    if not known:
        return f"- {best}\n- {NONE_COMPARE}"
    if not ours or not others:
        return f"- {best}"
    findings = [
        best,
        *[of_how_many(known, systems)] * (len(known) < len(systems)),
        least(ours, others, "one sentence at a time", by_latency, "ms/sentence"),
        least(
            ours,
            others,
            "in batches of the best size",
            by_best_batch,
            "ms/sentence",
        ),
        front_sentence(known, by_latency, "one sentence at a time"),
        front_sentence(known, by_best_batch, "in batches of the best size"),
        losses(ours, others),
    ]
    return "\n".join(f"- {finding}" for finding in findings)


def best_quality(ours: Sequence[Line], others: Sequence[Line]) -> str:
    """Says who translates best."""
    mine, theirs = (max(group, key=lambda e: e.bleu) for group in (ours, others))
    gap = mine.bleu - theirs.bleu
    return (
        f"**Quality:** we {outcome(gap, SEEN)}; our best is {mine.quoted} with "
        f"{mine.bleu:.1f} BLEU, the best other system is {theirs.quoted} with "
        f"{theirs.bleu:.1f} ({gap:+.1f})."
    )


def of_how_many(known: Sequence[Line], systems: Sequence[Line]) -> str:
    """Says of which systems all that follows is."""
    return (
        f"**Speed** is that of the {len(known)} of {len(systems)} systems whose times "
        "compare: fastest, front and losses are among these."
    )


def outcome(lead: float, least_lead: float) -> str:
    """Returns the word for a lead; what chance may have made is a draw."""
    if abs(lead) < least_lead:
        return "draw"
    return "win" if lead > 0 else "lose"


def least(
    ours: Sequence[Line],
    others: Sequence[Line],
    where: str,
    cost: Cost,
    unit: str,
) -> str:
    """Says who is fastest."""
    mine, theirs = (min(group, key=cost) for group in (ours, others))
    ratio = cost(theirs) / cost(mine)
    return (
        f"**Speed, {where}:** we {outcome(log(ratio), log(CLEARLY))}; our fastest is "
        f"{mine.quoted} with "
        f"{cost(mine):.2f} {unit} ({mine.bleu:.1f} BLEU), the fastest other system is "
        f"{theirs.quoted} with {cost(theirs):.2f} ({theirs.bleu:.1f} BLEU): "
        f"{ratio:.2f} times our time."
    )


def front_sentence(lines: Sequence[Line], cost: Cost, where: str) -> str:
    """Names the systems that none beats in both."""
    front = pareto_front(lines, cost)
    count = sum(line.ours for line in front)
    names = ", ".join(f"{line.quoted} ({line.bleu:.1f})" for line in front)
    return (
        f"**Pareto front, {where}:** {count} of {len(front)} systems are ours; from "
        f"fast to good: {names}.{close_call(front, cost)}"
    )


def close_call(front: Sequence[Line], cost: Cost) -> str:
    """Says which places on the front rest on differences that may be chance."""
    close = [
        f"{one.quoted} and {other.quoted}"
        for one, other in zip(front, front[1:])
        if cost(other) < CLEARLY * cost(one)
    ]
    if not close:
        return ""
    return f" Which is the faster one may be chance: {'; '.join(close)}."


def losses(ours: Sequence[Line], others: Sequence[Line]) -> str:
    """Names what is both better and faster than a line of ours."""
    beaten = []
    for mine in ours:
        over = [e for e in others if e.bleu >= mine.bleu and e.latency <= mine.latency]
        if over:
            worst = max(over, key=lambda line: line.bleu)
            beaten.append(
                f"{mine.quoted} ({mine.bleu:.1f} BLEU, {mine.latency:.1f} ms) by "
                f"{worst.quoted} ({worst.bleu:.1f}, {worst.latency:.1f} ms)"
            )
    if not beaten:
        return (
            "**Where we lose:** no other system is both better and faster than one of "
            "ours, one sentence at a time."
        )
    title = "**Where we lose** in both quality and speed, one sentence at a time:"
    return "\n".join([title, *(f"  - {line}" for line in beaten)])
