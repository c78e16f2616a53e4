"""How a row is measured: its options of decoding, as the row tells them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples.paper_table import measure as table_measure
from examples.paper_table.measure import decoding_of, time_again
from examples.paper_table.plan import TablePlan, units_of
from vq_nat.bench import speed
from vq_nat.bench.engines import describe_decoding

Make = Callable[..., TablePlan]
Write = Callable[..., None]


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
    (verified,) = units_of(make_plan(names=("words-k2-verified",)))
    options = decoding_of(plan, verified)
    assert options["verify"] and options["teacher"].parent.name == "student-ar"
    told = describe_decoding(decoding_of(plan, unit))
    assert told == {"candidates": 10, "teacher": True}


@pytest.fixture
def timed(make_plan: Make, monkeypatch: pytest.MonkeyPatch) -> TablePlan:
    """A table whose models are all there, and whose clocks say 1 ms and 2 times."""
    plan = make_plan(names=("teacher-beam4", "nat", "vq-em10-true-codes"), seeds=(1,))
    raw = plan.corpus / "raw"
    raw.mkdir(parents=True)
    for lang in ("en", "de"):
        (raw / f"test.{lang}").write_text("a line\n")
    bases = ("teacher-beam4", "a row that this table does not have")
    measured = replace(plan.table.measure, in_turn=bases)
    plan = replace(plan, table=replace(plan.table, measure=measured))
    monkeypatch.setattr(table_measure, "is_ready", lambda *_: True)
    times = {"latency_ms": {"median": 1.0}, "calibration": {"operators_ms": 5.0}}
    monkeypatch.setattr(table_measure, "measure_times", lambda *_: times)
    monkeypatch.setattr(
        speed,
        "measure_in_turn",
        lambda base, own, *_: {"times": (base.name, own.name)},
    )
    return plan


def read_row(plan: TablePlan, name: str) -> dict[str, Any]:
    """Returns a row as it is kept."""
    return json.loads((plan.rows / f"{name}.json").read_text())


def test_rows_are_timed_anew_and_keep_what_was_scored(
    timed: TablePlan, write_row: Write
) -> None:
    write_row(timed, "teacher-beam4", 30.0)
    write_row(timed, "nat", 20.0, config="of another configuration")
    write_row(timed, "vq-em10-true-codes", 40.0)
    before = read_row(timed, "teacher-beam4")
    failed: dict[str, str] = {}
    time_again(timed, failed)
    assert not failed
    row = read_row(timed, "teacher-beam4")
    assert row["latency_ms"] == {"median": 1.0} and row["calibration"]
    assert {k for k in row if row[k] != before.get(k)} == {"latency_ms", "calibration"}
    assert read_row(timed, "nat")["latency_ms"]["median"] == 10.0  # stale, left alone
    assert "in_turn" not in read_row(timed, "vq-em10-true-codes.seed1")


def test_a_row_is_timed_in_turn_with_the_baselines_alone(timed: TablePlan) -> None:
    of_name = {unit.row.name: unit for unit in units_of(timed)}
    test_set = table_measure.read_test_sets(timed)[0]

    def against(name: str) -> dict[str, Any]:
        unit = of_name[name]
        conditions = table_measure.read_conditions(timed, unit.row)
        return table_measure.in_turn(timed, unit, test_set, conditions)

    assert against("nat") == {
        "in_turn": {"teacher-beam4": {"times": ("teacher-beam4", "nat")}}
    }
    assert not against("teacher-beam4")  # a baseline itself
    assert not against("vq-em10-true-codes")  # no system
