"""Owns the measuring of a table's rows: each is written as soon as it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.lib.steps import FINISHED, UserError
from data_prep.lib.teachers import find_device
from examples.lib.places import LANGS
from examples.lib.progress import say
from examples.lib.weights import weights_of
from examples.paper_table.compare import compare_all
from examples.paper_table.config import TEACHER, RowSpec
from examples.paper_table.plan import (
    KIND,
    TablePlan,
    Unit,
    hash_inputs,
    is_ready,
    judge_of,
    state_of,
    units_of,
    wanted,
)
from examples.paper_table.rows import TableRow
from vq_nat.bench.conditions import Clock, Conditions
from vq_nat.bench.engines import ON_CPU
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.speed import measure_beside, measure_times
from vq_nat.bench.systems import System
from vq_nat.results.curves import read_curves
from vq_nat.results.rows import TimedInTurn
from vq_nat.writing import json_or_none, write_json

CPU = "cpu"


def measure_all(plan: TablePlan, failed: dict[str, str]) -> None:
    """Measures every missing row whose model is on disk, and names the others."""
    measure_ready(plan, failed)
    for unit in wanted(plan):
        if unit.name not in failed:
            say(f"{unit.name}: not measured, as a model of it is not trained")


def measure_ready(plan: TablePlan, failed: dict[str, str]) -> None:
    """Measures every missing row whose model is on disk.

    Args:
        plan: which rows, where, and on which machine.
        failed: rows not to be tried again, with the reasons; gets those that fail now.
    """
    compare_all(plan)
    units = [unit for unit in wanted(plan) if unit.name not in failed]
    ready = [unit for unit in units if is_ready(plan, unit)]
    if not ready:
        return
    test_sets = read_test_sets(plan)
    for unit in ready:
        say(f"Measuring {unit.name}: {unit.row.label}")
        row = attempt(partial(measure, plan, unit, test_sets), plan, unit, failed)
        compare_all(plan)
        if row is not None:
            say(
                f"      BLEU {row['bleu']:.1f}, "
                f"{row['latency_ms']['median']:.1f} ms/sentence; {plan.row_path(unit)}"
            )


def attempt(
    make: Callable[[], TableRow], plan: TablePlan, unit: Unit, failed: dict[str, str]
) -> TableRow | None:
    """Writes a row that can be made; of one that cannot, `failed` gets the reason."""
    try:
        row = make()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        failed[unit.name] = " ".join(str(error).split())
        say(f"      failed: {failed[unit.name]}")
        return None
    write_json(row, plan.row_path(unit))
    return row


def time_again(plan: TablePlan, failed: dict[str, str]) -> None:
    """Times all finished rows anew, in one go, as far as their models are on disk.

    What was scored stays.

    Args:
        plan: which rows, where, and on which machine.
        failed: gets rows that fail, with the reasons.
    """
    main = read_test_sets(plan)[0]
    for unit in units_of(plan):
        if state_of(plan, unit) != FINISHED or not is_ready(plan, unit):
            say(f"{unit.name}: not timed, as its row or its model is not there")
            continue
        say(f"Timing {unit.name}: {unit.row.label}")
        attempt(partial(timed, plan, unit, main), plan, unit, failed)


def timed(plan: TablePlan, unit: Unit, test_set: TestSet) -> TableRow:
    """Returns a row with times of now."""
    row: TableRow = json_or_none(plan.row_path(unit))
    conditions = read_conditions(plan, unit.row)
    times = measure_times(system_of(plan, unit), test_set, conditions)
    return {**row, **times, **in_turn(plan, unit, test_set, conditions)}


def in_turn(
    plan: TablePlan, unit: Unit, test_set: TestSet, conditions: Conditions
) -> TimedInTurn:
    """Times a row beside those that speed-ups are against, sentence by sentence."""
    names = [name for name in plan.table.measure.in_turn if name in plan.table.rows]
    if unit.row.name in names or unit.row.needs_references:
        return {}
    bases = [
        system_of(plan, base)
        for base in units_of(replace(plan, seeds=()), names)
        if is_ready(plan, base)
        if read_conditions(plan, base.row).device == conditions.device
    ]
    return measure_beside(bases, system_of(plan, unit), test_set, conditions)


def read_conditions(plan: TablePlan, row: RowSpec) -> Conditions:
    """Returns how a row is measured: the same for all of an engine on a device.

    Only clocks may be left out, of what would take hours.
    """
    measure = plan.table.measure
    device = CPU if row.engine in ON_CPU else find_device(plan.device)
    clocks = measure.clocks if row.clocks is None else row.clocks
    every = on_all(clocks, device, measure.threads, measure.cpu_clocks)
    return replace(measure, device=device, clocks=every)


def refuse_other_device(plan: TablePlan) -> None:
    """Refuses to fill a table of a GPU on a CPU: its rows would be taken for the GPU's.

    Raises:
        UserError: where there is no GPU.
    """
    if not plan.table.measure.cpu_clocks and find_device(plan.device) == CPU:
        raise UserError(
            f"The device must be a GPU for the table {plan.table.name}, which has no "
            "clocks of a CPU (`cpu-clocks`), but is cpu instead."
        )


def on_all(
    clocks: Sequence[Clock], device: str, threads: int, on_cpu: bool = True
) -> tuple[Clock, ...]:
    """Returns clocks of the CPU, and each of their sizes as one sentence is timed.

    Args:
        clocks: of the configuration.
        device: of the main figures.
        threads: the same for threads.
        on_cpu: whether the CPU is timed beside another device.
    """
    cpu = [replace(clock, device=clock.device or CPU) for clock in clocks]
    own = [Clock(clock.batch_size, threads, device) for clock in clocks]
    return tuple(dict.fromkeys([*(cpu if on_cpu else []), *own]))


def read_test_sets(plan: TablePlan) -> list[TestSet]:
    """Reads the raw test sets and all their references, the main one first."""
    raw, corpus = plan.corpus / "raw", plan.table.corpus
    return [
        TestSet.read(raw, corpus["name"], name, LANGS, file)
        for name, file in corpus["test-sets"].items()
    ]


def measure(plan: TablePlan, unit: Unit, test_sets: Sequence[TestSet]) -> TableRow:
    """Returns a row: what was measured, and all that the report needs of it."""
    start, log = time.perf_counter(), log_of(plan, unit)
    conditions, model = read_conditions(plan, unit.row), unit.job.model
    system, path = system_of(plan, unit), plan.row_path(unit)
    beside_others = in_turn(plan, unit, test_sets[0], conditions)
    # Last, as it writes the outputs, which belong to the row.
    row = measure_system(system, test_sets, conditions, beside=path)
    return {
        "kind": KIND,
        "row": unit.row.name,
        "config": unit.hash,
        "model": model.name,
        "text": model.text,
        "inputs": {
            "checkpoint": weights_of(plan.checkpoint(unit.job)),
            **hash_inputs(plan, unit),
        },
        **row,
        **beside_others,
        "measure_seconds": round(time.perf_counter() - start),
        "curves": read_curves(log) if log else None,
    }


def system_of(plan: TablePlan, unit: Unit) -> System:
    """Returns what is measured."""
    return System(
        unit.name,
        unit.row.label,
        plan.checkpoint(unit.job),
        log_of(plan, unit),
        engine=unit.row.engine,
        decoding=decoding_of(plan, unit),
    )


def log_of(plan: TablePlan, unit: Unit) -> Path | None:
    """Returns the log of a training; a model made elsewhere may have none."""
    path = plan.checkpoint(unit.job).parent / "train.log"
    return path if path.is_file() else None


def decoding_of(plan: TablePlan, unit: Unit) -> dict[str, Any]:
    """Returns the options of decoding; a `teacher` becomes its checkpoint.

    What turns text into words comes from the corpus: a model that was made elsewhere
    looks for it there.
    """
    data = plan.text(unit.job.model.text) / "bin"
    options = {**unit.row.decoding, "data": data}
    options.pop(TEACHER, None)
    judge = judge_of(plan, unit)
    if judge is not None:
        options[TEACHER] = plan.checkpoint(judge)
    return options
