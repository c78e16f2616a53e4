"""Rows beside each other: compared once, from the outputs that are kept with them."""

import json
from collections.abc import Callable

import pytest

from examples.paper_table import compare as table_compare
from examples.paper_table.plan import TablePlan
from vq_nat.results.rows import write_outputs

Make = Callable[..., TablePlan]
Write = Callable[..., None]


def write_test_set(plan: TablePlan) -> list[str]:
    """Writes a test set whose sentences are their own translations."""
    raw = plan.corpus / "raw"
    raw.mkdir(parents=True)
    lines = [f"the sentence number {number} is here" for number in range(20)]
    for lang in ("en", "de"):
        (raw / f"test.{lang}").write_text("\n".join(lines) + "\n")
    return lines


def test_rows_are_compared_with_the_greedy_teacher_once(
    make_plan: Make, write_row: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan()
    lines = write_test_set(plan)
    for name, outputs in (("teacher-greedy", lines), ("nat", lines[::-1])):
        write_row(plan, name)
        write_outputs(outputs, plan.rows / f"{name}.json", "test")
    write_row(plan, "gumbel")  # its outputs are not there
    table_compare.compare_all(plan)
    compared = json.loads((plan.rows / "nat.json").read_text())["against_greedy"]
    assert compared["bleu"] < 0 and 0 < compared["bleu_p"] < 0.05
    for name in ("teacher-greedy", "gumbel"):
        assert "against_greedy" not in (plan.rows / f"{name}.json").read_text()

    def refuse(*_: object) -> None:
        raise AssertionError("has been compared already")

    monkeypatch.setattr(table_compare, "compare_rows", refuse)
    table_compare.compare_all(plan)


def test_rows_that_a_claim_sets_beside_each_other_are_compared(
    make_plan: Make, write_row: Write
) -> None:
    """Seed by seed; a row without seeds is the one beside them all."""
    plan = make_plan()
    lines = write_test_set(plan)
    outputs = {"semhash": lines[::-1], "vq.seed1": lines, "vq.seed2": lines[::-1]}
    outputs |= {"vq-em10.seed1": lines, "vq-em10.seed2": lines}
    for name in ("semhash", "vq", "vq-em10"):
        write_row(plan, name)
    for name, written in outputs.items():
        write_outputs(written, plan.rows / f"{name}.json", "test")
    table_compare.compare_all(plan)
    rows = {
        seed: json.loads((plan.rows / f"vq-em10.seed{seed}.json").read_text())
        for seed in (1, 2, 3)
    }
    for seed, gains in ((1, (0, 1)), (2, (1, 1))):
        compared = rows[seed]["against_rows"]
        assert [compared[name]["bleu"] > 0 for name in ("vq", "semhash")] == list(gains)
    assert "against_rows" not in rows[3]  # its outputs are not there
    assert set(rows[1]["against_rows"]["vq"]) >= {"of", "bleu", "bleu_p"}


def test_outputs_of_another_test_set_are_not_compared(
    make_plan: Make, write_row: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan()
    raw = plan.corpus / "raw"
    raw.mkdir(parents=True)
    for lang in ("en", "de"):
        (raw / f"test.{lang}").write_text("one line\nand one more\n")
    for name in ("teacher-greedy", "nat"):
        write_row(plan, name)
        write_outputs(["one line"], plan.rows / f"{name}.json", "test")
    table_compare.compare_all(plan)
    assert "nat: not compared, as " in capsys.readouterr().out
    assert "against_greedy" not in (plan.rows / "nat.json").read_text()
