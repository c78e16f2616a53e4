"""Owns whether a row's difference to the teacher's greedy output is more than chance.

Rows come in any order and the teacher's may come last, so that this is done when all
others are measured: from the outputs that are kept beside the rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quickstart_plan import LANGS, say
from quickstart_run import read_json
from steps import sha256
from table_plan import TablePlan, finished_rows

from vq_nat.bench import systems
from vq_nat.bench.rows import outputs_path
from vq_nat.bench.significance import compare_rows

BASELINE = "teacher-greedy"
FIELD = "against_greedy"  # of a row


def compare_all(plan: TablePlan) -> None:
    """Compares every row with the teacher's greedy output, if it is measured."""
    name, file = next(iter(plan.table.corpus["test-sets"].items()))
    baseline = plan.rows / f"{BASELINE}.json"
    if not outputs_path(baseline, name).is_file():
        return
    test_set = systems.TestSet.read(
        plan.corpus / "raw", plan.table.name, name, LANGS, file
    )
    for row in finished_rows(plan):
        path = plan.rows / f"{row}.json"
        if path != baseline and outputs_path(path, name).is_file():
            compare_row(baseline, path, test_set)


def compare_row(baseline: Path, path: Path, test_set: systems.TestSet) -> None:
    """Adds the comparison to a row, unless it has the one of these very outputs."""
    files = [outputs_path(one, test_set.name) for one in (baseline, path)]
    of = [sha256(file)[:16] for file in files]
    row: dict[str, Any] = read_json(path)
    if (row.get(FIELD) or {}).get("of") == of:
        return
    found = compare_rows(baseline, path, test_set.name, test_set.references)
    systems.write_json({**row, FIELD: {"of": of, **found}}, path)
    say(f"{path.stem}: BLEU {found['bleu']:+.1f} against the teacher's greedy output")
