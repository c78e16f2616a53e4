"""Owns what a dry run says: the state of every row, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from data_prep.lib.steps import FINISHED, MISSING
from data_prep.lib.teachers import find_device
from examples.lib.progress import minutes
from examples.paper_table.plan import (
    TablePlan,
    TrainingJob,
    Unit,
    every_unit,
    finished_rows,
    is_ready,
    is_trained,
    jobs_of,
    state_of,
    units_of,
    wanted,
)

SECONDS_TO_MEASURE = 120.0  # a guess, before anything has been measured
Rows = Mapping[str, Mapping[str, Any]]


def overview(plan: TablePlan) -> str:
    """Returns what a run with this plan would do, and an estimate of its time."""
    units = units_of(plan)
    lines = [f"{unit.name}: {describe(plan, unit)}" for unit in units]
    lines += foreign_rows(plan)
    todo = wanted(plan)
    lines += ["", *trainings(plan, todo)]
    return "\n".join([*lines, measuring(plan, todo)])


def measuring(plan: TablePlan, todo: Sequence[Unit]) -> str:
    """Says how long the missing rows take to be measured, and how that is known."""
    known: dict[str, list[float]] = {}
    for row in finished_rows(plan).values():
        if row.get("measure_seconds"):
            known.setdefault(str(row.get("row")), []).append(row["measure_seconds"])
    times = [mean(known.get(u.row.name, [SECONDS_TO_MEASURE])) for u in todo]
    before = sum(unit.row.name in known for unit in todo)
    source = f"{before} as before, {len(todo) - before} guessed"
    return f"to measure: {len(todo)} rows, {minutes(sum(times))} ({source})"


def estimate_training(
    plan: TablePlan, job: TrainingJob, rows: Rows
) -> tuple[float, str]:
    """Returns the seconds of a training, and by which rows: the most similar ones."""
    on_gpu, models = find_device(plan.device) == "cuda", plan.table.models
    rates: dict[str, list[float]] = {}
    for row in rows.values():
        known = models.get(str(row.get("model")))
        if known is None or not row.get("train_seconds") or not row.get("updates"):
            continue
        if bool(row.get("train_gpu")) == on_gpu:
            rate = float(row["train_seconds"]) / float(row["updates"])
            for what in (known.name, known.flags.get("arch")):
                rates.setdefault(str(what), []).append(rate)
    for what, source in (
        (job.model.name, "rows of the same model"),
        (str(job.model.flags.get("arch")), "rows of the same architecture"),
    ):
        if what in rates:
            return job.model.updates * mean(rates[what]), source
    speed = plan.table.updates_per_second
    return job.model.updates / speed, f"a stated {speed:g} updates/s"


def describe(plan: TablePlan, unit: Unit) -> str:
    """Says what there is of a row."""
    state = state_of(plan, unit)
    if state == FINISHED:
        return "finished"
    model = "its model is trained" if is_ready(plan, unit) else "no model yet"
    if state == MISSING:
        return f"missing, {model}"
    again = "will be made anew" if plan.stale else "kept, unless --stale is given"
    return f"stale (of another configuration, teacher or corpus), {again}; {model}"


def foreign_rows(plan: TablePlan) -> list[str]:
    """Names rows on disk that no configuration knows any more."""
    known = {unit.name for unit in every_unit(plan)}
    return [
        f"{name}: not in the configuration, left alone"
        for name in finished_rows(plan)
        if name not in known
    ]


def trainings(plan: TablePlan, todo: Sequence[Unit]) -> list[str]:
    """Lists the trainings that are missing, with their time."""
    rows = finished_rows(plan)
    untrained = [unit for unit in todo if not is_ready(plan, unit)]
    jobs = [job for job in jobs_of(plan, untrained) if not is_trained(plan, job)]
    lines, total = [], 0.0
    for job in jobs:
        seconds, source = estimate_training(plan, job, rows)
        total += seconds
        lines.append(
            f"to train: {job.name}, {job.model.updates:,} updates on the "
            f"{job.model.text} text, {minutes(seconds)} (by {source})"
        )
    lines.append(
        f"to train: {len(jobs)} models, {minutes(total)} one after the other, corpus "
        "and distillation apart"
    )
    return lines
