"""What the tests of the paper's table share: its modules, rows without trainings."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from table_rows import compare_rows, ms

from examples.paper_table.config import Table, read_table
from examples.paper_table.plan import KIND, TablePlan, units_of

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT / "examples" / "paper_table"


@pytest.fixture(scope="session")
def demo() -> Table:
    """The demo's table; of the other bottlenecks with the seed among the flags."""
    table = read_table(TABLES / "demo.yaml")
    single = ("semhash-raw", "semhash", "gumbel")
    models = {
        name: replace(model, seeds=()) if name in single else model
        for name, model in table.models.items()
    }
    return replace(table, models=models)


@pytest.fixture
def make_plan(tmp_path: Path, demo: Table) -> Callable[..., TablePlan]:
    """Returns a plan of the demo's table in an empty folder."""

    def make(**changed: Any) -> TablePlan:
        table = changed.pop("table", demo)
        plan = TablePlan(
            kind="demo",
            work=tmp_path / "work",
            data=None,
            threads=1,
            device="cpu",
            table=table,
            results=tmp_path / "results",
            names=tuple(table.rows),
        )
        return replace(plan, **changed)

    return make


@pytest.fixture
def write_row() -> Callable[..., None]:
    """Writes rows of a line, as measuring leaves them: one of each seed."""

    def write(plan: TablePlan, name: str, bleu: float = 20.0, **changed: Any) -> None:
        for unit in units_of(plan, (name,)):
            row = synthetic_row(plan, name, bleu) | {"config": unit.hash} | changed
            path = plan.row_path(unit)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(row))

    return write


def synthetic_row(plan: TablePlan, name: str, bleu: float) -> dict[str, Any]:
    """Returns a row that has what every row has."""
    spec = plan.table.rows[name]
    return {
        "kind": KIND,
        "row": name,
        "model": spec.model,
        "text": plan.table.model_of(spec).text,
        "system": name,
        "label": spec.label,
        "corpus": "demo",
        "test_set": "test",
        "sentences": 100,
        "bleu": bleu,
        "bleu_signature": "a signature",
        "chrf": 50.0,
        "latency_ms": {"median": 10.0, "p90": 12.0, "includes": "everything"},
        "throughput": {"sentences_per_s": 100.0, "batch_size": 64},
        "seed": 1,
        "updates": 1000,
        "train_seconds": 500,
        "device": "cpu",
        "processor": "a processor",
        "threads": 1,
        "dtype": "float32",
        "versions": {"python": "3"},
        "commit": "abc",
        "calibration": {"products_ms": 6.0, "operators_ms": 9.0},
        "curves": None,
    }


@pytest.fixture
def paper(
    make_plan: Callable[..., TablePlan], write_row: Callable[..., None]
) -> TablePlan:
    """Rows with the paper's own figures, and CTranslate2 in between."""
    plan = make_plan()
    for name, row in plan.table.rows.items():
        if row.paper and row.group != "ablations":
            times = row.paper.get("speedup", 3.15)
            write_row(plan, name, row.paper["bleu"], **ms(331 / times))
    write_row(plan, "ct2-teacher-greedy", 27.0, **ms(95.0))
    write_row(plan, "ct2-teacher-greedy-int8", 26.9, **ms(90.0))
    compare_rows(plan)
    return plan
