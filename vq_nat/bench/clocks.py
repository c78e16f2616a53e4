"""Owns the clocks of a row: the same sentences at several batch sizes and threads.

Each call holds one batch, as it would arrive at a server: sentences are not sorted
across batches. A batch's time is the median of its repeats. From these times, divided
by the number of sentences in a batch, come the median and the 90th percentile of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

import torch

from ..results.rows import ClockRow
from .conditions import Clock, Rules
from .machine import resident_bytes
from .timing import INCLUDES, Synchronize, Translate, percentile, require_some, seconds

LARGEST = 0  # as a batch size: the largest that fits
FIRST_LARGE, LAST_LARGE = 256, 4096
TOO_LARGE = "a larger batch does not fit into the device's memory"
FASTER = 1.02  # a larger batch must bring this much, or it is the last


class Reading(NamedTuple):
    """What a clock has shown."""

    batch_size: int
    times: list[float]  # seconds of each batch
    outputs: list[str]

    @property
    def rate(self) -> float:
        """Sentences per second."""
        return len(self.outputs) / sum(self.times)


def read_clock(
    translate: Translate,
    sentences: list[str],
    batch_size: int,
    rules: Rules,
    synchronize: Synchronize,
) -> Reading:
    """Times the sentences in batches of one size.

    Raises:
        ValueError: without sentences or repeats.
    """
    require_some(sentences, rules.repeats)
    batches = list(full_batches(sentences, batch_size))
    for batch in warm_up_batches(batches, rules.warm_up):
        translate(batch)
    outputs: list[str] = []

    def call(batch: list[str]) -> None:
        outputs.extend(translate(batch))

    rounds = [
        [seconds(partial(call, batch), synchronize) for batch in batches]
        for _ in range(rules.repeats)
    ]
    last_round = outputs[-len(batches) * batch_size :]
    return Reading(batch_size, [median(times) for times in zip(*rounds)], last_round)


def full_batches(sentences: list[str], batch_size: int) -> Iterator[list[str]]:
    """Yields the sentences in batches; the first ones fill up the last batch."""
    missing = -len(sentences) % batch_size
    rounds = -(-missing // len(sentences))
    filled = sentences + (sentences * rounds)[:missing]
    return (filled[i : i + batch_size] for i in range(0, len(filled), batch_size))


def warm_up_batches(batches: list[list[str]], count: int) -> Iterator[list[str]]:
    """Yields batches, again from the first, until they hold `count` sentences."""
    done = 0
    while done < count:
        for batch in batches:
            if done >= count:
                return
            yield batch
            done += len(batch)


def find_largest(
    translate: Translate,
    sentences: list[str],
    rules: Rules,
    synchronize: Synchronize,
) -> tuple[Reading, str]:
    """Doubles the batch until it does not fit, or is not faster.

    Returns:
        The reading of the last batch size that was faster, and why it is the last.
    """
    read = partial(read_clock, translate, sentences)
    size, best = FIRST_LARGE, None
    while True:
        before = resident_bytes()
        try:
            reading = read(size, rules, synchronize)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
            return best or find_fitting(read, rules, synchronize), TOO_LARGE
        if best is not None and reading.rate < FASTER * best.rate:
            return best, "a larger batch is not faster"
        best, size, now = reading, 2 * size, resident_bytes()
        if now + (now - before) > rules.memory_limit:
            return best, "a larger batch would exceed the limit of memory"
        if size > LAST_LARGE:
            return best, f"no more than {LAST_LARGE} were tried"


def find_fitting(
    read: Callable[[int, Rules, Synchronize], Reading],
    rules: Rules,
    synchronize: Synchronize,
) -> Reading:
    """Halves the batch until it fits.

    Raises:
        RuntimeError: if not even one sentence does.
    """
    size = FIRST_LARGE
    while True:
        size //= 2
        try:
            return read(size, rules, synchronize)
        except RuntimeError as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tells whether a device is full; not every engine has torch's error for it."""
    known = isinstance(error, torch.OutOfMemoryError)
    return known or "out of memory" in str(error).lower()


def measure_clock(
    translate: Translate,
    sentences: list[str],
    clock: Clock,
    rules: Rules,
    synchronize: Synchronize,
) -> ClockRow:
    """Reads one clock, and says what it shows.

    Args:
        translate: raw sentences to raw sentences, as one batch.
        sentences: the same for all clocks.
        clock: whose threads and device are set already.
        rules: see `Rules`.
        synchronize: see `timing.synchronizer`.
    """
    limit = None
    if clock.batch_size == LARGEST:
        reading, limit = find_largest(translate, sentences, rules, synchronize)
    else:
        reading = read_clock(translate, sentences, clock.batch_size, rules, synchronize)
    each = sorted(1000 * time / reading.batch_size for time in reading.times)
    words = sum(len(line.split()) for line in reading.outputs)
    return {
        "batch_size": reading.batch_size,
        "threads": clock.threads,
        "device": clock.device,
        "largest": limit,
        "ms_per_sentence": {
            "median": round(median(each), 4),
            "p90": round(percentile(each, 0.9), 4),
        },
        "sentences_per_s": round(reading.rate, 2),
        "words_per_s": round(words / sum(reading.times), 1),
        "sentences": len(reading.outputs),
        "repeats": rules.repeats,
        "warm_up": rules.warm_up,
        "includes": INCLUDES,
    }
