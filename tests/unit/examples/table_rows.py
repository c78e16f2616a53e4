"""Made-up rows of a table: times, machines, and what comparing outputs would say."""

import json
from typing import Any

from examples.paper_table.claims import PAIRS, judge
from examples.paper_table.lines import read_lines
from examples.paper_table.plan import TablePlan
from vq_nat.results.lines import by_name

LATENCY = {"p90": 1.0, "includes": "everything"}
SMALL_CORPUS = {  # of a table's file
    "name": "x",
    "kind": "demo",
    "bpe-operations": 10,
    "test-sets": {"test": "test"},
}
SLOWER = {"calibration": {"products_ms": 6.0, "operators_ms": 12.0}}


def ms(median: float) -> dict[str, Any]:
    """Returns a row's time at batch 1."""
    return {"latency_ms": {**LATENCY, "median": median}}


def compare_rows(plan: TablePlan, p: float = 0.001) -> None:
    """Adds what a comparison of outputs would say, were all differences no chance."""
    entries = by_name(read_lines(plan))
    for lower, higher in PAIRS:
        if lower not in entries or higher not in entries:
            continue
        gap = entries[higher].bleu - entries[lower].bleu
        for path in plan.rows.glob(f"{higher}*.json"):
            row = json.loads(path.read_text())
            if row["row"] == higher:
                known = row.get("against_rows", {})
                known[lower] = {"bleu": gap, "bleu_p": p if abs(gap) > 0.05 else 1.0}
                path.write_text(json.dumps({**row, "against_rows": known}))


def verdicts(plan: TablePlan) -> list[str]:
    """Returns what becomes of each claim, in their order."""
    return [claim.verdict for claim in judge(read_lines(plan))]
