"""Owns what a dry run says: the state of every row, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Sequence

from examples.lib.progress import minutes
from examples.paper_table.config import TEACHER
from examples.paper_table.plan import (
    FINISHED,
    MISSING,
    SECONDS_TO_MEASURE,
    Estimate,
    TablePlan,
    Unit,
    estimate_measuring,
    estimate_training,
    finished_rows,
    is_ready,
    is_trained,
    jobs_of,
    state_of,
    units_of,
)


def overview(plan: TablePlan) -> str:
    """Returns what a run with this plan would do, and an estimate of its time."""
    units = units_of(plan)
    states = {unit.name: state_of(plan, unit) for unit in units}
    lines = [f"{unit.name}: {describe(plan, unit, states)}" for unit in units]
    lines += foreign_rows(plan)
    todo = [unit for unit in units if is_wanted(plan, states[unit.name])]
    lines += ["", *trainings(plan, todo)]
    return "\n".join([*lines, measuring(plan, todo)])


def measuring(plan: TablePlan, todo: Sequence[Unit]) -> str:
    """Says how long the missing rows take to be measured, and how that is known."""
    rows = finished_rows(plan)
    known = [estimate_measuring(unit, rows) for unit in todo]
    guessed = known.count(None)
    seconds = sum(SECONDS_TO_MEASURE if one is None else one for one in known)
    source = f"{len(known) - guessed} as before, {guessed} guessed"
    return f"to measure: {len(todo)} rows, {minutes(seconds)} ({source})"


def is_wanted(plan: TablePlan, state: str) -> bool:
    """Tells whether a row of this state would be made."""
    return state == MISSING or (state != FINISHED and plan.stale)


def describe(plan: TablePlan, unit: Unit, states: dict[str, str]) -> str:
    """Says what there is of a row."""
    state = states[unit.name]
    if state == FINISHED:
        return "finished"
    model = "its model is trained" if is_ready(plan, unit) else "no model yet"
    if state == MISSING:
        return f"missing, {model}"
    again = "will be made anew" if plan.stale else "kept, unless --stale is given"
    return f"stale (of another configuration, teacher or corpus), {again}; {model}"


def foreign_rows(plan: TablePlan) -> list[str]:
    """Names rows on disk that no configuration knows any more."""
    known = {unit.name for unit in units_of(plan, tuple(plan.table.rows))}
    return [
        f"{name}: not in the configuration, left alone"
        for name in finished_rows(plan)
        if name not in known and not plan.seeds
    ]


def trainings(plan: TablePlan, todo: Sequence[Unit]) -> list[str]:
    """Lists the trainings that are missing, with their time."""
    rows = finished_rows(plan)
    untrained = [unit for unit in todo if not is_ready(plan, unit)]
    jobs = [job for job in jobs_of(plan, untrained) if not is_trained(plan, job)]
    lines, total = [], 0.0
    for job in jobs:
        found: Estimate = estimate_training(plan, job, rows)
        total += found.seconds
        name = TEACHER if job.model.name == TEACHER else job.name
        lines.append(
            f"to train: {name}, {job.model.updates:,} updates on the "
            f"{job.model.text} text, {minutes(found.seconds)} (by {found.source})"
        )
    count = f"to train: {len(jobs)} models"
    return [
        *lines,
        f"{count}, {minutes(total)} one after the other, corpus and distillation apart",
    ]
