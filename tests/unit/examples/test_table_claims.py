"""Claims from made-up rows: held, not held, within chance, or not measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from table_rows import SLOWER, compare_rows, ms, verdicts

from examples.paper_table.claims import (
    HELD,
    NOT_COMPARED,
    NOT_HELD,
    NOT_MEASURED,
    WITHIN_CHANCE,
    judge,
)
from examples.paper_table.lines import read_lines
from examples.paper_table.plan import TablePlan
from examples.paper_table.report import report
from vq_nat.results.winners import winners

Make = Callable[..., TablePlan]
Write = Callable[..., None]
TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"


def test_the_papers_figures_hold_the_papers_claims(paper: TablePlan) -> None:
    assert verdicts(paper) == [HELD] * 7
    claims = {claim.text: claim.figures for claim in judge(read_lines(paper))}
    assert "98.9% at 4.08 times" in " ".join(claims.values())
    assert "26.7 (26.7–26.7) (3 seeds)" in claims["VQ-EM is above semhash"]


@pytest.mark.parametrize(
    ("name", "figures", "number"),
    [
        ("vq", {"bleu": 21.3}, 0),
        ("vq-em10", {"bleu": 26.3, **ms(81.0)}, 1),
        ("nat-npd10", {"bleu": 27.0}, 2),
        ("nat-npd100", {"bleu": 27.0}, 2),
        ("semhash", {"bleu": 26.8}, 3),
        ("vq-em10-nc4", {"bleu": 25.4, **ms(92.0)}, 4),
        ("vq-em10-nc4", {"bleu": 26.8, **ms(58.0)}, 4),
        ("teacher-greedy", {"bleu": 27.6}, 5),
        ("teacher-beam4", {"bleu": 28.1, **ms(300.0)}, 5),
        ("vq-em10", {"bleu": 26.7, **ms(90.0)}, 5),
        ("ct2-teacher-greedy-int8", {"bleu": 26.9, **ms(50.0)}, 6),
    ],
)
def test_other_figures_do_not(
    paper: TablePlan,
    write_row: Write,
    name: str,
    figures: dict[str, Any],
    number: int,
) -> None:
    write_row(paper, name, **figures)
    compare_rows(paper)
    assert verdicts(paper)[number] == NOT_HELD


def test_without_rows_nothing_has_been_measured(
    make_plan: Make, write_row: Write
) -> None:
    plan = make_plan()
    assert verdicts(plan) == [NOT_MEASURED] * 7
    write_row(plan, "vq-raw", 20.0)
    write_row(plan, "vq", 21.0)
    assert verdicts(plan) == [NOT_COMPARED] + [NOT_MEASURED] * 6
    figures = judge(read_lines(plan))[0].figures
    assert figures.endswith("+1.0 (not compared); 2 further pair(s) not measured")
    compare_rows(plan)
    assert verdicts(plan) == [HELD] + [NOT_MEASURED] * 6


def test_times_of_a_machine_in_another_state_are_not_compared(
    paper: TablePlan, write_row: Write
) -> None:
    for name in ("vq-em10", "vq-em10-nc4"):
        write_row(paper, name, 26.7, **SLOWER, **ms(8.0))
    compare_rows(paper)
    assert verdicts(paper)[4] == WITHIN_CHANCE  # in one state still, equal times
    assert verdicts(paper)[5:] == [NOT_MEASURED] * 2
    text = winners(read_lines(paper))
    assert "our fastest is “VQ-VAE (hard EM)” with 81.13" in text
    page = report(paper, read_lines(paper), [])
    assert "small operators took 9.0 to 12.0 ms" in page
    assert (
        "another state: “VQ-VAE with EM (n_s = 10) + distillation”, “VQ-VAE with EM "
        "(n_s = 10) + distillation, n_c = 4”." in page
    )


def test_what_was_timed_in_turn_counts_in_any_state(
    paper: TablePlan, write_row: Write
) -> None:
    ct2 = ("ct2-teacher-greedy", "ct2-teacher-greedy-int8")
    in_turn = {name: {"times": 5.0} for name in ("teacher-beam4", ct2[0])}
    write_row(paper, "vq-em10", 26.7, **SLOWER, **ms(150.0), in_turn=in_turn)
    assert verdicts(paper)[6] == NOT_MEASURED  # against one of two, who knows which
    in_turn[ct2[1]] = {"times": 1.5}
    write_row(paper, "vq-em10", 26.7, **SLOWER, **ms(150.0), in_turn=in_turn)
    compare_rows(paper)
    claims = judge(read_lines(paper))
    assert [claim.verdict for claim in claims[5:]] == [HELD] * 2
    assert "98.9% at 5.00 times" in claims[5].figures
    assert "| 150.0 (1.0) | 5.00× |" in report(paper, read_lines(paper), [])


@pytest.mark.parametrize(
    ("bleu", "p", "verdict"),
    [
        (26.9, 0.01, HELD),
        (26.9, 0.2, WITHIN_CHANCE),
        (26.0, 0.2, WITHIN_CHANCE),
        (26.0, 0.01, NOT_HELD),
    ],
)
def test_a_difference_that_may_be_chance_holds_no_claim(
    paper: TablePlan, write_row: Write, bleu: float, p: float, verdict: str
) -> None:
    write_row(paper, "vq-em10", bleu, **ms(81.0))
    compare_rows(paper, p)
    claim = judge(read_lines(paper))[1]
    assert claim.verdict == verdict
    assert f"{bleu - 26.4:+.1f} (p = {p:.3f})" in claim.figures


def test_seeds_that_contradict_each_other_hold_no_claim(paper: TablePlan) -> None:
    path = paper.rows / "vq-em10.seed2.json"
    row = json.loads(path.read_text())
    row["against_rows"]["vq"]["bleu"] = -2.0
    path.write_text(json.dumps(row))
    assert verdicts(paper)[1] == WITHIN_CHANCE


def test_ours_on_a_cpu_compare_with_theirs_on_a_cpu(
    paper: TablePlan, write_row: Write
) -> None:
    """A line on another device is faster, and says nothing of these."""
    write_row(paper, "vq-em10", 26.7, device="cuda", **ms(1.0))
    write_row(paper, "tuned-onnx", 26.0, engine="onnx", **ms(60.0))
    write_row(paper, "vq-em10-nc4", 25.4, device="cuda", **ms(1.0))
    claim = judge(read_lines(paper))[6]
    assert claim.verdict == NOT_MEASURED  # for the paper's setting
    assert "(26.0 BLEU) is 1.50 times as fast with engine onnx" in claim.figures


def test_the_headline_is_about_the_papers_setting_then_about_variants(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "vq", 26.0, **ms(331 / 4.08))
    claim = judge(read_lines(paper))[5]
    assert claim.verdict == HELD
    assert claim.figures.startswith("the paper's setting, “VQ-VAE with EM (n_s = 10)")
    assert claim.figures.endswith("”: 98.9% at 4.08 times; no variant reaches it")
    write_row(paper, "tuned", 27.0, **SLOWER, **ms(5.0))  # in what time nobody knows
    assert judge(read_lines(paper))[5].figures.endswith(
        "; no variant is known to reach it"
    )
    (paper.rows / "tuned.json").unlink(missing_ok=True)
    write_row(paper, "vq-em10", 25.0, updates=1000, engine="torch", **ms(80.0))
    more = {"updates": 4000, "engine": "onnx", "decoding": {"compute_type": "int8"}}
    write_row(paper, "tuned-onnx-int8", 26.9, **more, **ms(20.0))
    claim = judge(read_lines(paper))[5]
    assert claim.verdict == NOT_HELD
    setting, variants = claim.figures.split("; reached by ")
    assert setting.endswith("”: 92.6% at 4.14 times")
    assert variants == (
        "“ours, tuned, in ONNX Runtime, int8”, 99.6% at 16.55 times, which has engine "
        "onnx (against torch), updates 4,000 (against 1,000), decoding compute_type "
        "int8 (against None)"
    )
