"""Owns whether differences between rows are more than chance.

Every row is compared with the teacher's greedy output, and with the row that a claim of
the paper sets beside it. Rows come in any order, so that this is done from the outputs
that are kept beside them, for all that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from examples.lib.places import LANGS
from examples.lib.progress import say
from examples.paper_table.claims import PAIRS
from examples.paper_table.plan import TablePlan, Unit, every_unit
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.significance import compare_rows
from vq_nat.files import sha256
from vq_nat.results.gaps import AGAINST_ROWS
from vq_nat.results.lines import GREEDY
from vq_nat.results.rows import at, outputs_path
from vq_nat.writing import json_or_none, write_json


class Comparison(NamedTuple):
    """A row, what it is compared with, and where in the row that is told."""

    path: Path
    baseline: Path
    field: tuple[str, ...] = ("against_greedy",)

    def hashes(self, test_set: str) -> list[str] | None:
        """Returns short hashes of the outputs of both rows; None if one has none."""
        files = [outputs_path(path, test_set) for path in (self.baseline, self.path)]
        if not all(file.is_file() for file in files):
            return None
        return [sha256(file)[:16] for file in files]

    def is_due(self, test_set: str) -> bool:
        """Tells whether the row lacks the comparison of these very outputs."""
        hashes, row = self.hashes(test_set), json_or_none(self.path)
        if hashes is None or not isinstance(row, dict):
            return False
        return at(row, *self.field, "of") != hashes

    def tell(self, comparison: dict[str, Any]) -> None:
        """Says in the row how it compares."""
        row: dict[str, Any] = json_or_none(self.path)
        *above, last = self.field
        place = row
        for name in above:
            place = place.setdefault(name, {})
        place[last] = comparison
        write_json(row, self.path)


def compare_all(plan: TablePlan) -> None:
    """Compares all rows whose outputs are there, as far as that is not done.

    Without the corpus nothing is compared: rows that were made elsewhere have their
    comparisons already.
    """
    name, file = next(iter(plan.table.corpus["test-sets"].items()))
    raw = plan.corpus / "raw"
    todo = [one for one in comparisons(plan) if one.is_due(name)]
    if not todo or not (raw / f"{file}.{LANGS[0]}").is_file():
        return
    test_set = TestSet.read(raw, plan.table.corpus["name"], name, LANGS, file)
    for one in todo:
        try:
            gaps = compare_rows(
                one.baseline, one.path, name, test_set.references, LANGS[1]
            )
        except ValueError as error:  # of another test set than this corpus has
            say(f"{one.path.stem}: not compared, as {error}")
            continue
        one.tell({"of": one.hashes(name), **gaps})
        say(f"{one.path.stem}: BLEU {gaps['bleu']:+.1f} against {one.baseline.stem}")


def comparisons(plan: TablePlan) -> Iterator[Comparison]:
    """Yields what is to be compared, of all rows of the table."""
    units = every_unit(plan)
    for unit in units:
        if unit.name != GREEDY:
            yield Comparison(plan.row_path(unit), plan.rows / f"{GREEDY}.json")
    for lower, higher in PAIRS:
        others = {unit.job.seed: unit for unit in units if unit.row.name == lower}
        for unit in units:
            if unit.row.name == higher and (other := beside(unit, others)):
                field = (AGAINST_ROWS, lower)
                yield Comparison(plan.row_path(unit), plan.row_path(other), field)


def beside(unit: Unit, others: dict[int | None, Unit]) -> Unit | None:
    """Returns the row of the same seed, or the only one."""
    only = next(iter(others.values())) if len(others) == 1 else None
    return others.get(unit.job.seed, only)
