"""Owns time: latency of single sentences and throughput of batches.

A whole call of `translate` is timed, text in and text out: normalising, tokenising and
subwords are included, loading the model is not. There is a warm-up before, the number
of threads is fixed, and the clock is read when the device has finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple

import torch

INCLUDES = "text in, text out: tokenisation included, model load excluded"

Translate = Callable[[list[str]], list[str]]
Synchronize = Callable[[], None]


class Latency(NamedTuple):
    """Milliseconds per sentence, one sentence at a time."""

    median: float
    p90: float
    sentences: int
    repeats: int


def no_wait() -> None:
    """Waits for a device that has finished whenever a call returns: for none."""


def synchronizer(device: str) -> Synchronize:
    """Returns the function that waits until a device has finished."""
    if torch.device(device).type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return no_wait


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Sets how many threads torch uses within an operator, and restores the number.

    Raises:
        ValueError: if `threads` is not positive.
    """
    if threads < 1:
        raise ValueError(f"`threads` must be at least 1, but is {threads} instead.")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds(call: Callable[[], object], synchronize: Synchronize = no_wait) -> float:
    """Times one call."""
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - start


def measure_latency(
    translate: Translate,
    sentences: list[str],
    warm_up: int = 10,
    *,
    repeats: int = 3,
    synchronize: Synchronize = no_wait,
) -> Latency:
    """Times each sentence alone.

    A sentence's time is the median of its repeats, so that a passing disturbance does
    not count; the result is the median and the 90th percentile over sentences.

    Args:
        translate: raw sentences to raw sentences.
        sentences: each is translated `repeats` times.
        warm_up: sentences translated before the clock starts.
        repeats: rounds over the sentences.
        synchronize: see `synchronizer`.

    Raises:
        ValueError: without sentences or repeats.
    """
    require_some(sentences, repeats)
    for index in range(warm_up):
        translate([sentences[index % len(sentences)]])
    rounds = [
        [seconds(partial(translate, [one]), synchronize) for one in sentences]
        for _ in range(repeats)
    ]
    times = sorted(1000 * median(of_one) for of_one in zip(*rounds))
    return Latency(median(times), percentile(times, 0.9), len(sentences), repeats)


def measure_throughput(
    translate: Translate,
    sentences: list[str],
    repeats: int = 1,
    synchronize: Synchronize = no_wait,
) -> float:
    """Returns sentences per second of the fastest of some calls with all sentences.

    Raises:
        ValueError: without sentences or repeats.
    """
    require_some(sentences, repeats)
    times = [
        seconds(partial(translate, sentences), synchronize) for _ in range(repeats)
    ]
    return len(sentences) / min(times)


def require_some(sentences: list[str], repeats: int) -> None:
    """Refuses a measurement of nothing.

    Raises:
        ValueError: without sentences or repeats.
    """
    if not sentences:
        raise ValueError("`sentences` must hold at least one, but is empty instead.")
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1, but is {repeats} instead.")


def percentile(ordered: list[float], share: float) -> float:
    """Returns the smallest value that is not exceeded by `share` of the values."""
    rank = -(-len(ordered) * share // 1)  # ceiling
    return ordered[max(0, int(rank) - 1)]
