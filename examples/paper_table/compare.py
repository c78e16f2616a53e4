"""Owns whether differences between rows are more than chance.

Every row is compared with the teacher's greedy output, and with the row that a claim of
the paper sets beside it. Rows come in any order, so that this is done from the outputs
that are kept beside them, for all that are there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from examples.lib.places import LANGS
from examples.lib.progress import say
from examples.paper_table.claims import PAIRS, ROWS
from examples.paper_table.plan import TablePlan, Unit, units_of
from examples.paper_table.rows import Compared, TableRow
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.significance import compare_rows
from vq_nat.files import sha256
from vq_nat.results.rows import at, outputs_path
from vq_nat.results.writing import json_or_none, write_json

BASELINE = "teacher-greedy"
GREEDY = "against_greedy"  # of a row


@dataclass(frozen=True)
class Comparison:
    """A row, what it is compared with, and where in the row that is told."""

    path: Path
    baseline: Path
    lower: str | None = None  # row of a claim; None: the greedy teacher

    def of(self, row: TableRow) -> list[str] | None:
        """Returns the hashes of the outputs that the row says it of."""
        field = (GREEDY,) if self.lower is None else (ROWS, self.lower)
        return at(row, *field, "of")

    def put(self, row: TableRow, found: Compared) -> None:
        """Says in the row what has been found."""
        if self.lower is None:
            row["against_greedy"] = found
        else:
            row["against_rows"] = {**row.get("against_rows", {}), self.lower: found}


def compare_all(plan: TablePlan) -> None:
    """Compares all rows whose outputs are there, as far as that is not done.

    Without the corpus nothing is compared: rows that were made elsewhere have their
    comparisons already.
    """
    name, file = next(iter(plan.table.corpus["test-sets"].items()))
    raw = plan.corpus / "raw"
    todo = [one for one in comparisons(plan) if is_due(one, name)]
    if not todo or not (raw / f"{file}.{LANGS[0]}").is_file():
        return
    test_set = TestSet.read(raw, plan.table.corpus["name"], name, LANGS, file)
    for one in todo:
        try:
            found = compare_rows(
                one.baseline, one.path, name, test_set.references, LANGS[1]
            )
        except ValueError as error:  # of another test set than this corpus has
            say(f"{one.path.stem}: not compared, as {error}")
            continue
        row: TableRow = json_or_none(one.path)
        one.put(row, {"of": hashes(one, name), **found})
        write_json(row, one.path)
        say(f"{one.path.stem}: BLEU {found['bleu']:+.1f} against {one.baseline.stem}")


def comparisons(plan: TablePlan) -> list[Comparison]:
    """Lists what is to be compared, of all rows of the table."""
    units = units_of(replace(plan, seeds=()), tuple(plan.table.rows))
    baseline = plan.rows / f"{BASELINE}.json"
    found = [
        Comparison(plan.row_path(unit), baseline)
        for unit in units
        if unit.name != BASELINE
    ]
    for lower, higher in PAIRS:
        of_lower = {unit.job.seed: unit for unit in units if unit.row.name == lower}
        found += [
            Comparison(plan.row_path(unit), plan.row_path(other), lower)
            for unit in units
            if unit.row.name == higher and (other := beside(unit, of_lower))
        ]
    return found


def beside(unit: Unit, others: dict[int | None, Unit]) -> Unit | None:
    """Returns the row of the same seed, or the only one."""
    only = next(iter(others.values())) if len(others) == 1 else None
    return others.get(unit.job.seed, only)


def is_due(one: Comparison, test_set: str) -> bool:
    """Tells whether a row lacks the comparison of these very outputs."""
    if not all(outputs_path(p, test_set).is_file() for p in (one.baseline, one.path)):
        return False
    row = json_or_none(one.path)
    return isinstance(row, dict) and one.of(cast(TableRow, row)) != hashes(
        one, test_set
    )


def hashes(one: Comparison, test_set: str) -> list[str]:
    """Returns short hashes of the outputs of both rows."""
    files = (outputs_path(path, test_set) for path in (one.baseline, one.path))
    return [sha256(file)[:16] for file in files]
