"""Owns whether a row's difference to the teacher's greedy output is more than chance.

Rows come in any order and the teacher's may come last, so that this is done when all
others are measured: from the outputs that are kept beside the rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from places import LANGS
from progress import say
from stamps import read_json
from steps import sha256
from table_plan import TablePlan, finished_rows

from vq_nat.bench import systems
from vq_nat.bench.rows import outputs_path
from vq_nat.bench.significance import compare_rows

BASELINE = "teacher-greedy"
FIELD = "against_greedy"  # of a row


def compare_all(plan: TablePlan) -> None:
    """Compares every row with the teacher's greedy output, if it is measured.

    Without the corpus nothing is compared: rows that were made elsewhere have their
    comparisons already.
    """
    name, file = next(iter(plan.table.corpus["test-sets"].items()))
    baseline, raw = plan.rows / f"{BASELINE}.json", plan.corpus / "raw"
    todo = [path for path in others(plan, baseline) if is_due(baseline, path, name)]
    if not todo or not (raw / f"{file}.{LANGS[0]}").is_file():
        return
    test_set = systems.TestSet.read(raw, plan.table.name, name, LANGS, file)
    for path in todo:
        try:
            found = compare_rows(baseline, path, name, test_set.references)
        except ValueError as error:  # of another test set than this corpus has
            say(f"{path.stem}: not compared, as {error}")
            continue
        row: dict[str, Any] = read_json(path)
        of = hashes(baseline, path, name)
        systems.write_json({**row, FIELD: {"of": of, **found}}, path)
        say(f"{path.stem}: BLEU {found['bleu']:+.1f} against the greedy teacher")


def others(plan: TablePlan, baseline: Path) -> list[Path]:
    """Lists the files of all rows but the one to compare with."""
    paths = [plan.rows / f"{name}.json" for name in finished_rows(plan)]
    return [path for path in paths if path != baseline]


def is_due(baseline: Path, path: Path, test_set: str) -> bool:
    """Tells whether a row lacks the comparison of these very outputs."""
    if not all(outputs_path(p, test_set).is_file() for p in (baseline, path)):
        return False
    known = (read_json(path).get(FIELD) or {}).get("of")
    return bool(known != hashes(baseline, path, test_set))


def hashes(baseline: Path, path: Path, test_set: str) -> list[str]:
    """Returns short hashes of the outputs of both rows."""
    files = (outputs_path(one, test_set) for one in (baseline, path))
    return [sha256(file)[:16] for file in files]
