"""Owns the comparison of two systems' times: sentence by sentence, in turn.

The speed of a machine that others use changes from minute to minute: two systems that
are timed one after the other are not timed on the same machine. Here both translate a
sentence before either sees the next one, and who begins changes with every round.
"""

from __future__ import annotations

from functools import partial
from statistics import median

from ..results.rows import InTurn
from .conditions import Rules
from .timing import Synchronize, Translate, no_wait, require_some, seconds


def time_in_turn(
    base: Translate,
    other: Translate,
    sentences: list[str],
    rules: Rules,
    synchronize: Synchronize = no_wait,
) -> InTurn:
    """Times two systems one sentence at a time, in turn.

    Args:
        base: raw sentences to raw sentences.
        other: what is compared with it.
        sentences: the same for both.
        rules: warm-up and repeats, each of which is a round over the sentences.
        synchronize: see `timing.synchronizer`.

    Returns:
        `times`: how many times as fast the other one is, the median over rounds of the
        ratio of the medians over sentences, with its `least` and `most`; the medians
        themselves in milliseconds, `base_ms` and `ms`.

    Raises:
        ValueError: without sentences or repeats.
    """
    require_some(sentences, rules.repeats)
    for index in range(rules.warm_up):
        for translate in (base, other):
            translate([sentences[index % len(sentences)]])
    rounds = [
        one_round(base, other, sentences, number % 2 == 1, synchronize)
        for number in range(rules.repeats)
    ]
    ratios = sorted(before / after for before, after in rounds)
    return {
        "times": round(median(ratios), 3),
        "least": round(ratios[0], 3),
        "most": round(ratios[-1], 3),
        "base_ms": round(1000 * median(before for before, _ in rounds), 3),
        "ms": round(1000 * median(after for _, after in rounds), 3),
        "sentences": len(sentences),
        "repeats": rules.repeats,
    }


def one_round(
    base: Translate,
    other: Translate,
    sentences: list[str],
    other_first: bool,
    synchronize: Synchronize,
) -> tuple[float, float]:
    """Returns the median seconds of both over the sentences."""
    order = (other, base) if other_first else (base, other)
    times = [
        [seconds(partial(translate, [one]), synchronize) for translate in order]
        for one in sentences
    ]
    first, second = (median(of_one) for of_one in zip(*times))
    return (second, first) if other_first else (first, second)
