"""Reads the clocks of a system, alone or in turn with another one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..results.rows import (
    ClockRow,
    InTurn,
    Latency,
    LengthTimes,
    Speed,
    TimedInTurn,
    Times,
)
from .clocks import measure_clock
from .conditions import Clock, Conditions
from .engines import engine_versions
from .lengths import latency_by_length
from .machine import calibrate, describe_machine, gain_of_threads
from .pairs import time_in_turn
from .sentences import TestSet, spread
from .stages import can_be_profiled, profile_stages
from .systems import Opened, System
from .timing import (
    INCLUDES,
    Translate,
    measure_throughput,
    pinned_threads,
    synchronizer,
)

LEAST_GAIN = 1.2  # of several threads over one, or the cores are not free


def measure_times(system: System, test_set: TestSet, conditions: Conditions) -> Times:
    """Returns all that a row says of time, and of the machine it was measured on."""
    opened = Opened(system, conditions)
    return {
        **measure_speed(opened, test_set, conditions),
        "stages_ms": measure_stages(opened, test_set, conditions),
        **describe_machine(conditions.device, conditions.threads),
        "engine_versions": engine_versions(system.engine),
        "calibration": calibrate(),
    }


def measure_in_turn(
    base: System, system: System, test_set: TestSet, conditions: Conditions
) -> InTurn:
    """Times a system beside another one, see `pairs.time_in_turn`."""
    timed = test_set.spread(conditions.timed_sentences)
    clock = Clock(1, conditions.threads, conditions.device)
    calls = [
        translation(Opened(one, conditions), timed, clock) for one in (base, system)
    ]
    with pinned_threads(conditions.threads):
        return time_in_turn(
            calls[0],
            calls[1],
            timed.sources,
            conditions.rules,
            synchronizer(conditions.device),
        )


def measure_beside(
    bases: Sequence[System], system: System, test_set: TestSet, conditions: Conditions
) -> TimedInTurn:
    """Times a system beside each of several others."""
    return {
        "in_turn": {
            base.name: measure_in_turn(base, system, test_set, conditions)
            for base in bases
        }
    }


def measure_speed(opened: Opened, test_set: TestSet, conditions: Conditions) -> Speed:
    """Reads all clocks, and times the whole test set in batches.

    Clocks of several threads are left out, by name, where the cores are not free.
    """
    timed = test_set.spread(conditions.timed_sentences)
    clocks: list[ClockRow] = []
    left_out: list[str] = []
    for clock in conditions.all_clocks():
        if clocks and is_crowded(clock):
            left_out.append(f"{clock.batch_size}:{clock.threads}")
            continue
        translate = translation(opened, timed, clock)
        wait = synchronizer(clock.device)
        with pinned_threads(clock.threads):
            clocks.append(
                measure_clock(translate, timed.sources, clock, conditions.rules, wait)
            )
    whole = Clock(conditions.batch_size, conditions.threads, conditions.device)
    with pinned_threads(conditions.threads):
        rate = measure_throughput(
            translation(opened, test_set, whole),
            test_set.sources,
            synchronize=synchronizer(conditions.device),
        )
    return {
        "latency_ms": describe_latency(clocks[0]),
        "throughput": {
            "sentences_per_s": round(rate, 2),
            "batch_size": conditions.batch_size,
        },
        "clocks": clocks,
        "clocks_left_out": left_out,
        "latency_by_length": measure_lengths(opened, test_set, conditions),
    }


def measure_lengths(
    opened: Opened, test_set: TestSet, conditions: Conditions
) -> list[LengthTimes] | None:
    """Times single sentences by their length; None where that is not asked for."""
    if conditions.timed_by_length < 1:
        return None
    clock = Clock(1, conditions.threads, conditions.device)
    with pinned_threads(clock.threads):
        return latency_by_length(
            translation(opened, test_set, clock),
            test_set,
            conditions.timed_by_length,
            conditions.rules,
            synchronizer(clock.device),
        )


def is_crowded(clock: Clock) -> bool:
    """Tells whether others use the cores of a CPU's clock."""
    if clock.threads == 1 or torch.device(clock.device).type != "cpu":
        return False
    return gain_of_threads(clock.threads) < LEAST_GAIN


def translation(opened: Opened, test_set: TestSet, clock: Clock) -> Translate:
    """Returns the function that is timed: raw sentences to raw sentences."""
    engine = opened(clock.device, clock.threads)
    if not opened.system.needs_references:
        return lambda texts: engine.translate(texts, clock.batch_size or len(texts))
    known = dict(zip(test_set.sources, test_set.targets))
    return lambda texts: engine.translate(
        texts, clock.batch_size or len(texts), [known[text] for text in texts]
    )


def measure_stages(
    opened: Opened, test_set: TestSet, conditions: Conditions
) -> dict[str, float] | None:
    """Measures the time of each stage, one sentence at a time with one thread.

    Returns:
        None where it is not asked for, or where there are no stages to look into.
    """
    if not conditions.stages or opened.system.needs_references:
        return None
    translator = getattr(opened(conditions.device, 1), "translator", None)
    if not can_be_profiled(translator):
        return None
    sentences = spread(test_set.sources, conditions.timed_sentences)
    with pinned_threads(1):
        return profile_stages(translator, sentences, conditions.rules)


def describe_latency(clock: ClockRow) -> Latency:
    """Returns what the clock of single sentences shows, under its usual name."""
    return {
        "median": round(clock["ms_per_sentence"]["median"], 3),
        "p90": round(clock["ms_per_sentence"]["p90"], 3),
        "batch_size": 1,
        "sentences": clock["sentences"],
        "warm_up": clock["warm_up"],
        "repeats": clock["repeats"],
        "includes": INCLUDES,
    }
