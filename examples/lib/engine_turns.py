"""Owns the clock of the comparison: systems in turn, round by round.

In every round each system is called until a slice of time is over, so that a round has
a time of each within a second or so, and two systems compare round by round. A
system's short calls are preceded by one that does not count, since the systems before
it have emptied the caches; nobody translates a single sentence between ten strangers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

from examples.lib.engine_rows import Times
from vq_nat.bench.timing import percentile, seconds

SHORT = 0.05  # seconds: below it, a call does not count after those of others


class Rules(NamedTuple):
    """How long to measure."""

    rounds: int = 7
    slice: float = 0.06  # seconds of each system in a round
    longest: float = 6.0  # seconds: who takes longer is called once more, and no more


def take_turns(
    systems: Mapping[str, Callable[[], Any]], rules: Rules
) -> dict[str, Times]:
    """Times the systems.

    Args:
        systems: what is called, by name.
        rules: see `Rules`.

    Returns:
        For each: the median and the 90th percentile of its calls in milliseconds,
        `rounds_ms`, the median of each round, and how many calls there were. A system
        that takes too long has one round.
    """
    first = {name: warmed_up(call) for name, call in systems.items()}
    short = [name for name, time in first.items() if time <= rules.longest]
    rounds: dict[str, list[float]] = {name: [] for name in systems}
    calls: dict[str, list[float]] = {name: [] for name in systems}
    with no_collection():
        for number in range(rules.rounds):
            for name in rotated(short, number):
                times = times_of(systems[name], rules.slice)
                calls[name] += times
                rounds[name].append(median(times))
        for name in first.keys() - short:
            calls[name] = rounds[name] = [first[name]]
    return {name: describe(calls[name], rounds[name]) for name in systems}


def warmed_up(call: Callable[[], Any]) -> float:
    """Calls twice, and returns the seconds of the second time."""
    call()
    return seconds(call)


def times_of(call: Callable[[], Any], limit: float) -> list[float]:
    """Calls until the limit is over; returns the seconds of each call."""
    before = seconds(call)
    times = [before] if before >= SHORT else []
    while not times or sum(times) < limit:
        times.append(seconds(call))
    return times


def rotated(names: list[str], number: int) -> Iterator[str]:
    """Yields the names, another one first in each round."""
    start = number % max(1, len(names))
    yield from names[start:] + names[:start]


def describe(calls: list[float], rounds: list[float]) -> Times:
    """Returns what a row says of a system's times."""
    ordered = sorted(1000 * time for time in calls)
    return {
        "ms": {
            "median": round(median(ordered), 4),
            "p90": round(percentile(ordered, 0.9), 4),
        },
        "rounds_ms": [round(1000 * time, 4) for time in rounds],
        "calls": len(calls),
    }


def times_as_fast(slower: Times, faster: Times) -> float:
    """Returns how many times as fast one system is as another, round by round."""
    pairs = zip(slower["rounds_ms"], faster["rounds_ms"])
    return median(one / other for one, other in pairs)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python from collecting its garbage meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
