"""Owns where a table's latent models lose quality: see `vq_nat.bench.diagnosis`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import vq_nat
from data_prep.lib.steps import FINISHED
from data_prep.lib.teachers import find_device
from examples.lib.places import LANGS
from examples.lib.progress import say
from examples.paper_table.measure import attempt
from examples.paper_table.plan import TablePlan, Unit, is_ready, state_of, units_of
from examples.paper_table.rows import TableRow
from vq_nat.bench.diagnosis import diagnose
from vq_nat.bench.sentences import TestSet
from vq_nat.results.tables import signed
from vq_nat.writing import json_or_none

VALIDATION = "valid"  # what is chosen by a diagnosis is chosen on no test set
BEAM = 4  # of the teacher


def diagnose_all(plan: TablePlan, failed: dict[str, str]) -> None:
    """Diagnoses every latent model of the finished rows, as far as it is on disk.

    The first row of a model gets the figures; what else it says stays.

    Args:
        plan: which rows, where, and on which machine.
        failed: gets rows that fail, with the reasons.
    """
    test_set = TestSet.read(
        plan.corpus / "raw", plan.table.corpus["name"], VALIDATION, LANGS, VALIDATION
    )
    for unit in first_of_each_training(plan):
        say(f"Diagnosing {unit.job.name}: {unit.row.label}")
        attempt(partial(diagnosed, plan, unit, test_set), plan, unit, failed)


def first_of_each_training(plan: TablePlan) -> Iterator[Unit]:
    """Yields a finished row for each latent model that is on disk."""
    seen = set()
    for unit in units_of(plan):
        if unit.job.name in seen or state_of(plan, unit) != FINISHED:
            continue
        if is_ready(plan, unit) and unit.job.model.has_codes:
            seen.add(unit.job.name)
            yield unit


def diagnosed(plan: TablePlan, unit: Unit, test_set: TestSet) -> TableRow:
    """Returns a row with the diagnosis of its model."""
    row: TableRow = json_or_none(plan.row_path(unit))
    data = plan.text(unit.job.model.text) / "bin"
    common = {"data": data, "device": find_device(plan.device)}
    translator = vq_nat.load(plan.checkpoint(unit.job), **common)
    teacher = vq_nat.load(plan.teacher, beam=BEAM, **common)
    found = diagnose(translator, teacher, test_set)
    losses = ", ".join(f"{k} {signed(v)}" for k, v in found["losses"].items())
    say(f"      {losses}")
    return {**row, "diagnosis": found}
