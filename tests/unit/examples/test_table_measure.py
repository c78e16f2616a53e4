"""How a row is measured: its options of decoding, as the row tells them."""

from collections.abc import Callable
from pathlib import Path

from examples.paper_table.measure import decoding_of
from examples.paper_table.plan import TablePlan, units_of
from vq_nat.bench.engines import describe_decoding

Make = Callable[..., TablePlan]


def test_a_model_made_elsewhere_reads_text_by_the_corpus(
    make_plan: Make, tmp_path: Path
) -> None:
    given = {"corpus": tmp_path / "corpus", "teacher": tmp_path / "teacher.pt"}
    plan = make_plan(names=("teacher-beam4", "nat-npd10"), given=given)
    by_teacher, rescored = (decoding_of(plan, unit) for unit in units_of(plan))
    assert by_teacher == {"beam": 4, "data": given["corpus"] / "bin"}
    assert rescored["data"] == plan.text("distilled") / "bin"
    assert rescored["teacher"] == given["teacher"]


def test_a_row_tells_no_paths(make_plan: Make) -> None:
    plan = make_plan(names=("nat-npd10",))
    (unit,) = units_of(plan)
    told = describe_decoding(decoding_of(plan, unit))
    assert told == {"candidates": 10, "teacher": True}
