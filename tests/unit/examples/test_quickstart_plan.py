"""The quickstart's students: their texts, seeds and names; how far apart they are."""

from pathlib import Path

import pytest

from examples.lib.quickstart_measure import decoder_of
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
