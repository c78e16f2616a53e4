"""The quickstart's students: their texts, seeds and names; how far apart they are."""

from pathlib import Path
from typing import Any

import pytest

from examples.lib.quickstart_measure import decoder_of, spread
from examples.lib.quickstart_plan import QuickstartPlan


@pytest.fixture
def plan(tmp_path: Path) -> QuickstartPlan:
    """A plan with two further students."""
    return QuickstartPlan(
        kind="demo",
        work=tmp_path,
        data=None,
        threads=1,
        device="cpu",
        preset={"student": {"seed": 1, "max-update": 5}},
        rows=tmp_path / "rows",
        compare=True,
        seeds=(2, 5),
    )


def test_students_of_other_seeds_differ_in_nothing_else(plan: QuickstartPlan) -> None:
    names = ["student", "student-seed2", "student-seed5", "student-raw"]
    assert list(plan.students) == names
    assert [plan.flags_of(name)["seed"] for name in names] == [1, 2, 5, 1]
    assert plan.flags_of("student-seed5") == {"seed": 5, "max-update": 5}
    assert plan.students["student-seed2"] == plan.students["student"] != plan.corpus
    assert decoder_of("student-seed2").label.endswith("teacher's output, seed 2")
    assert decoder_of("student-seed2").decoding == decoder_of("student").decoding


def row(system: str, correct: float | None, bleu: float) -> dict[str, Any]:
    """Returns what a row says of quality."""
    return {"system": system, "correct": correct, "bleu": bleu}


def test_the_spread_is_that_of_students_on_one_text() -> None:
    rows = [
        row("teacher-beam4", 0.99, 99.0),
        row("student", 0.95, 98.0),
        row("student-seed2", 0.97, 99.0),
        row("student-raw", 0.5, 50.0),
    ]
    assert spread(rows) == (
        "2 students that differ in their seed: correct 96.0% (95.0%–97.0%), "
        "BLEU 98.5 (98.0–99.0)."
    )
    assert spread(rows[:2]) == ""
    unknown = [{**one, "correct": None} for one in rows]
    assert spread(unknown).endswith("their seed: BLEU 98.5 (98.0–99.0).")
