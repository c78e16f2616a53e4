"""The report from made-up rows: which lines stand where, and what their cells say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from table_rows import SLOWER, compare_rows, ms, verdicts

from examples.paper_table.claims import NOT_MEASURED, judge
from examples.paper_table.config import read_table
from examples.paper_table.lines import read_lines
from examples.paper_table.plan import TablePlan
from examples.paper_table.report import make_report, report
from vq_nat.results.columns import clocks_table, trained_on
from vq_nat.results.lines import by_name, speed_up
from vq_nat.results.winners import winners

Make = Callable[..., TablePlan]
Write = Callable[..., None]
TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"


Make = Callable[..., TablePlan]
Write = Callable[..., None]
TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"
LATENCY = {"p90": 1.0, "includes": "everything"}


def test_ablations_are_about_quality_alone(make_plan: Make, write_row: Write) -> None:
    plan = make_plan()
    for name in ("teacher-beam4", "ablation", "steps-4"):
        write_row(plan, name, 20.0, **ms(10.0))
    page = report(plan, read_lines(plan), [])
    section = page.split("## Ablations")[1].split("##")[0]
    assert "`steps-4` | 20.0 |" in section and "ms/sentence" not in section
    assert "ms/sentence" in page.split("## Ablations")[0]


def test_the_first_seed_is_the_one_that_is_timed(paper: TablePlan) -> None:
    before = by_name(read_lines(paper))["vq-em10"]
    path = paper.rows / "vq-em10.seed2.json"
    later = {**SLOWER, "bleu": 90.0, **ms(0.1)}
    path.write_text(json.dumps(json.loads(path.read_text()) | later))
    after = by_name(read_lines(paper))["vq-em10"]
    assert (after.latency, after.best_speed) == (before.latency, before.best_speed)
    assert after.timed["calibration"] == before.timed["calibration"]
    assert after.bleu > before.bleu


OTHERS = "## Made with another teacher, text or machine"


def test_a_row_of_another_machine_is_a_line_of_another_table(paper: TablePlan) -> None:
    path = paper.rows / "vq-em10.seed1.json"
    row = json.loads(path.read_text()) | {"processor": "a faster one"}
    path.write_text(json.dumps(row))
    lines = [e for e in read_lines(paper) if e.name == "vq-em10"]
    assert [(len(e.rows), e.differs) for e in lines] == [
        (1, ("processor (cpu)",)),
        (2, ()),
    ]
    base = by_name(read_lines(paper))["teacher-beam4"]
    assert speed_up(base, lines[0]) is None and speed_up(base, lines[1]) == 4.08
    page = report(paper, read_lines(paper), [])
    above, below = page.split(OTHERS)
    assert "| 26.7 (26.7–26.7) |" in above  # of two seeds
    assert "| processor (cpu) | VQ-VAE with EM (n_s = 10) + distillation |" in below


def test_rows_of_code_that_was_not_committed_are_marked(
    paper: TablePlan, write_row: Write
) -> None:
    assert "‡" not in report(paper, read_lines(paper), [])
    write_row(paper, "nat", 17.7, commit="abc-dirty", **ms(21.2))
    page = report(paper, read_lines(paper), [])
    assert "| NAT + distillation ‡ |" in page and "- ‡: measured with code" in page


def test_a_stale_line_is_marked_wherever_it_is_named(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "vq-em10", 26.7, config="of old", **ms(331 / 4.08))
    entries = read_lines(paper)
    named = "VQ-VAE with EM (n_s = 10) + distillation"
    for text in (winners(entries), *(c.figures for c in judge(entries) if c.figures)):
        assert text.count(f"{named} †") == text.count(named) - text.count(f"{named}, n")


def test_rows_of_another_teacher_are_compared_with_nothing(
    paper: TablePlan, write_row: Write
) -> None:
    entries = read_lines(paper)
    assert OTHERS not in report(paper, entries, [])
    for name in ("teacher-beam4", "teacher-greedy", "nat"):
        write_row(paper, name, 28.0, inputs={"teacher": "old"}, **ms(331.0))
    for name in ("vq-em10", "deep-shallow-raw-greedy", "nat-npd10"):
        write_row(paper, name, 26.7, inputs={"teacher": "new"}, **ms(81.0))
    compare_rows(paper)
    # The baseline's teacher counts, whatever most rows have.
    above, below = report(paper, read_lines(paper), []).split(OTHERS)
    assert "| `vq-em10` |" in below and "| `vq-em10` |" not in above
    assert "| `deep-shallow-raw-greedy` |" in above  # which no teacher has taught
    assert verdicts(paper)[2:6] == [NOT_MEASURED] * 4
    assert "(n_s = 10) + distillation”" not in winners(read_lines(paper))


@pytest.mark.parametrize("table", ["demo", "wmt14"])
def test_the_report_knows_what_starts_from_the_teacher(
    table: str, make_plan: Make, write_row: Write
) -> None:
    plan = make_plan(table=read_table(TABLES / f"{table}.yaml"))
    for name in ("nat", "vq-em10", "width-128"):
        if name in plan.table.rows:
            write_row(plan, name)
    text = report(plan, read_lines(plan), [])
    if table == "demo":
        assert "teacher's embeddings and layers: nat, vq-em10; the others" in text
    else:
        assert "No model starts from the teacher's embeddings and layers." in text


def test_processors_of_trainings_are_told_apart(
    paper: TablePlan, write_row: Write
) -> None:
    path = paper.rows / "vq-em10.seed2.json"
    row = json.loads(path.read_text()) | {"train_gpu": "a GPU", "train_seconds": 60}
    path.write_text(json.dumps(row))
    line = by_name(read_lines(paper))["vq-em10"]
    assert trained_on(line) == "–, a GPU"  # a row of before does not tell
    path = paper.rows / "vq-em10.seed1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"train_gpu": None}))
    line = by_name(read_lines(paper))["vq-em10"]
    assert "(1.0–8.3) | CPU, a GPU" in report(paper, [line], [])


def test_faults_of_all_systems_and_words_per_second_are_told(
    paper: TablePlan, write_row: Write
) -> None:
    clock = {"device": "cpu", "threads": 1, "batch_size": 8, "largest": None}
    clock |= {"sentences_per_s": 40.0, "words_per_s": 444.4}
    faults = {"length_ratio": 0.914, "repetition_rate": 0.123}
    faults["broken_words"] = 0.00456
    write_row(paper, "nat", 17.7, clocks=[clock], **faults, **ms(21.2))
    text = report(paper, read_lines(paper), [])
    assert "| NAT + distillation | 0.91 | 12.3 % | 0.46 % |" in text
    assert "passes of the teacher" not in text
    assert "## Clocks: words per second" in text
    assert "| NAT + distillation | 444 |" in text


def test_passes_of_a_verifying_teacher_are_told(
    paper: TablePlan, write_row: Write
) -> None:
    for name, passes in (("nat", None), ("tuned", 2.54)):
        faults = {"repetition_rate": 0.1, "teacher_passes": passes}
        write_row(paper, name, 17.7, **faults, **ms(21.2))
    lines = report(paper, read_lines(paper), []).splitlines()
    (head,) = (i for i, line in enumerate(lines) if "passes of the teacher" in line)
    told = {
        line.split("|")[1].strip(): line.split("|")[-2]
        for line in lines[head:]
        if line.count("|") == lines[head].count("|")
    }
    assert told["NAT + distillation"].strip() == "–"
    assert any(value.strip() == "2.5" for value in told.values())


def test_times_without_a_column_are_the_hosts(
    paper: TablePlan, write_row: Write
) -> None:
    old = {"total": 5.0, "encode": 3.0, "host": 2.0}
    write_row(paper, "nat", 17.7, stages_ms=old, **ms(21.2))
    assert "host: what is in no other column" in report(paper, read_lines(paper), [])


def test_the_report_is_made_of_rows_alone(paper: TablePlan, write_row: Write) -> None:
    write_row(paper, "vq-em10", 26.7, other_test_sets={"later": {"bleu": 12.3}})
    write_row(paper, "nat", 17.7, config="of old", **ms(21.2))
    compare_rows(paper)
    text = make_report(paper).read_text()
    assert not paper.work.exists()
    assert "| system | row | BLEU | BLEU later | paper's BLEU |" in text
    assert "| NAT + distillation † | `nat` | 17.7 | 17.7 |" in text
    assert "15.61× | 15.60× |" in text
    assert "12.3 (12.3–12.3)" in text
    assert "- Distillation helps: **held** – “VQ-VAE (hard EM) + distillation" in text
    assert "Not measured yet: tuned, tuned-regular, words-k2, " in text
    assert "†: of another configuration, teacher or corpus;" in text
    assert (paper.rows / "pareto.png").stat().st_size > 10_000
    assert "![pareto.png](pareto.png)" in text and "curves.png" not in text


def test_a_table_without_the_papers_rows_does_not_speak_of_the_paper(
    make_plan: Make, write_row: Write
) -> None:
    plan = make_plan(table=read_table(TABLES / "distillation.yaml"))
    write_row(plan, "tuned", 96.0, correct=0.94)
    write_row(plan, "tuned-raw", 95.0, correct=0.93)
    text = report(plan, read_lines(plan), [])
    assert text.startswith("# What distillation is worth on the demo corpus\n")
    assert "## With and without distillation" in text and "| 93.0 % |" in text
    assert "paper's" not in text
    write_row(plan, "codes-16", 97.0)
    assert winners(read_lines(plan)) == ""  # all of them are ours


def test_a_seed_more_is_a_mean_and_a_range(paper: TablePlan) -> None:
    path = paper.rows / "vq.seed3.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bleu": 29.4}))
    assert "| 27.4 (26.4–29.4) | 26.4 |" in report(paper, read_lines(paper), [])


def test_clocks_have_a_column_each(make_plan: Make, write_row: Write) -> None:
    plan = make_plan()
    names = ("device", "batch_size", "threads", "sentences_per_s", "largest")
    measured = [
        ("cpu", 512, 1, 450, "a larger batch is not faster"),
        ("cpu", 8, 1, 400, None),
        ("cpu", 1, 2, 100, None),
    ]
    clocks = [dict(zip(names, clock)) for clock in measured]
    write_row(plan, "nat", clocks=clocks)
    write_row(plan, "teacher-beam4", clocks=clocks[2:])
    assert clocks_table(read_lines(plan)).splitlines() == [
        "| system | cpu, 1 thr., batch 8 | cpu, 1 thr., batch largest | cpu, 2 thr., "
        "batch 1 |",
        "| --- | ---: | ---: | ---: |",
        "| autoregressive teacher, beam 4 | – | – | 100 |",
        "| NAT + distillation | 400 | 450 (512) | 100 |",
    ]


def test_clocks_that_were_not_read_are_named(
    paper: TablePlan, write_row: Write
) -> None:
    assert "Clocks that were not read" not in report(paper, read_lines(paper), [])
    write_row(paper, "nat", 17.7, clocks_left_out=["8:2", "0:2"], **ms(21.2))
    page = report(paper, read_lines(paper), [])
    assert "the largest): “NAT + distillation” 8:2, 0:2." in page


def test_the_difference_to_greedy_has_the_largest_p_value(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "nat", 17.7, against_greedy={"bleu": -9.3, "bleu_p": 0.0012})
    assert "| -9.3 (p ≤ 0.001) |" in report(paper, read_lines(paper), [])
    write_row(paper, "nat", 17.7, against_greedy={"bleu": -0.02, "bleu_p": 0.4})
    assert "| 0.0 (p = 0.400) |" in report(paper, read_lines(paper), [])


def test_what_the_reference_gave_away_has_no_times(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "vq-em10-true-codes", 39.3, **ms(10.0))
    text = report(paper, read_lines(paper), [])
    (line,) = [x for x in text.splitlines() if "| `vq-em10-true-codes` |" in x]
    assert line.endswith("| – | – | – | – |")


def test_lines_come_in_the_order_of_the_table(paper: TablePlan) -> None:
    names = list(by_name(read_lines(paper)))
    assert names == [name for name in paper.table.rows if name in names]
    assert names[:2] == ["teacher-beam4", "teacher-greedy"]
