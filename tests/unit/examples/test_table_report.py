"""The report from made-up rows: figures, claims that hold or not, who wins where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.paper_table.claims import (
    HELD,
    NOT_COMPARED,
    NOT_HELD,
    NOT_MEASURED,
    PAIRS,
    WITHIN_CHANCE,
    judge,
)
from examples.paper_table.config import read_table
from examples.paper_table.lines import line_of, read_lines
from examples.paper_table.plan import TablePlan
from examples.paper_table.report import make_report, report
from vq_nat.results.clocks import crowded_clocks
from vq_nat.results.columns import clocks_table, trained_on
from vq_nat.results.curves import read_curves, thin
from vq_nat.results.lines import (
    Line,
    Speed,
    by_best_batch,
    by_latency,
    by_name,
    pareto_front,
    speed_up,
)
from vq_nat.results.winners import winners

Make = Callable[..., TablePlan]
Write = Callable[..., None]
TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"
LATENCY = {"p90": 1.0, "includes": "everything"}


def ms(median: float) -> dict[str, Any]:
    """Returns a row's time at batch 1."""
    return {"latency_ms": {**LATENCY, "median": median}}


@pytest.fixture
def paper(make_plan: Make, write_row: Write) -> TablePlan:
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


def test_ablations_are_about_quality_alone(make_plan: Make, write_row: Write) -> None:
    plan = make_plan()
    for name in ("teacher-beam4", "ablation", "steps-4"):
        write_row(plan, name, 20.0, **ms(10.0))
    page = report(plan, read_lines(plan), [])
    section = page.split("## Ablations")[1].split("##")[0]
    assert "`steps-4` | 20.0 |" in section and "ms/sentence" not in section
    assert "ms/sentence" in page.split("## Ablations")[0]


def verdicts(plan: TablePlan) -> list[str]:
    """Returns what becomes of each claim, in their order."""
    return [claim.verdict for claim in judge(read_lines(plan))]


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


SLOWER = {"calibration": {"products_ms": 6.0, "operators_ms": 12.0}}


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


def test_the_paragraph_says_where_we_lose(paper: TablePlan) -> None:
    text = winners(read_lines(paper))
    assert (
        "**Quality:** we lose; our best is “VQ-VAE with EM (n_s = 10) + distillation” "
        "with 26.7 BLEU, the best other system is “autoregressive teacher, beam 4” "
        "with 28.1 (-1.4)." in text
    )
    assert "**Speed, one sentence at a time:** we lose; our fastest is “VQ-VAE" in text
    assert "no other system is both better and faster" in text


def test_the_paragraph_says_where_we_win(paper: TablePlan, write_row: Write) -> None:
    write_row(paper, "tuned", 29.0, **ms(5.0))
    write_row(paper, "teacher-greedy", 27.0, **ms(70.0))
    text = winners(read_lines(paper))
    assert "**Quality:** we win; our best is “ours, tuned" in text and "(+0.9)" in text
    assert "**Speed, one sentence at a time:** we win; our fastest is “ours" in text
    assert "1 of 1 systems are ours" in text
    assert (
        "(26.7 BLEU, 81.1 ms) by “autoregressive teacher, greedy” (27.0, 70.0" in text
    )


def test_what_chance_may_have_made_is_no_win(
    paper: TablePlan, write_row: Write
) -> None:
    for name in list(paper.table.rows):
        if (paper.rows / f"{name}.json").exists() and name.startswith("nat"):
            (paper.rows / f"{name}.json").unlink()
    write_row(paper, "vq-em10-nc4", 28.12, **ms(331 / 5.71))
    write_row(paper, "vq-em10", 26.7, **ms(331 / 5.7))
    write_row(paper, "ct2-teacher-greedy-int8", 26.9, **ms(59.0))
    text = winners(read_lines(paper))
    assert "**Quality:** we draw; our best" in text
    assert "**Speed, one sentence at a time:** we draw; our fastest" in text
    claim = judge(read_lines(paper))[-1]
    assert claim.verdict == WITHIN_CHANCE
    assert "(26.7 BLEU) is 1.02 times as fast" in claim.figures


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


def test_threads_that_others_disturbed_have_no_clocks(make_plan: Make) -> None:
    names = ("device", "batch_size", "threads", "sentences_per_s", "largest")
    found = [
        ("cpu", 1, 1, 270, None),
        ("cpu", 1, 2, 21, None),
        ("cpu", 8, 2, 300, None),
    ]
    line = entry(make_plan(), 1.0, 1.0, clocks=[dict(zip(names, c)) for c in found])
    assert (
        clocks_table([line]).splitlines()[-1]
        == "| NAT + distillation | 270 | – | 300 |"
    )
    assert crowded_clocks(line.timed) == ["cpu, 2 thr., batch 1"]


def test_codes_of_the_reference_win_nothing(paper: TablePlan, write_row: Write) -> None:
    before = winners(read_lines(paper))
    write_row(paper, "vq-em10-true-codes", 99.0, **ms(1.0))
    write_row(paper, "codes-512", 98.0, **ms(1.0))
    assert winners(read_lines(paper)) == before


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


def entry(plan: TablePlan, bleu: float, median: float, **rest: Any) -> Line:
    """Returns a line of one row."""
    rate = {"sentences_per_s": 100.0, "batch_size": 64}
    row = {"bleu": bleu, "throughput": rate, "threads": 1, **ms(median), **rest}
    return line_of(plan.table, "nat", [row])


def test_the_front_has_what_none_beats_in_both(make_plan: Make) -> None:
    plan = make_plan()
    points = [(10, 5), (20, 9), (15, 9), (20, 9.5), (12, 4), (30, 30)]
    lines = [entry(plan, bleu, median) for bleu, median in points]
    front = pareto_front(lines, by_latency)
    assert [(line.bleu, line.latency) for line in front] == [(12, 4), (20, 9), (30, 30)]


def test_the_best_batch_is_the_fastest_on_as_many_threads(make_plan: Make) -> None:
    found = [("cpu", 32, 1, 250), ("cpu", 128, 1, 200), ("cpu", 64, 8, 900)]
    found.append(("cuda", 64, 1, 9000))
    names = ("device", "batch_size", "threads", "sentences_per_s")
    clocks = [dict(zip(names, clock)) for clock in found]
    line = entry(make_plan(), 1.0, 1.0, device="cpu", clocks=clocks)
    assert line.best_speed == Speed(250, 32)
    assert by_best_batch(line) == pytest.approx(1000 / 250)


def test_clocks_have_a_column_each(make_plan: Make, write_row: Write) -> None:
    plan = make_plan()
    names = ("device", "batch_size", "threads", "sentences_per_s", "largest")
    found = [
        ("cpu", 512, 1, 450, "a larger batch is not faster"),
        ("cpu", 8, 1, 400, None),
        ("cpu", 1, 2, 100, None),
    ]
    clocks = [dict(zip(names, clock)) for clock in found]
    write_row(plan, "nat", clocks=clocks)
    write_row(plan, "teacher-beam4", clocks=clocks[2:])
    assert clocks_table(read_lines(plan)).splitlines() == [
        "| system | cpu, 1 thr., batch 8 | cpu, 1 thr., batch largest | cpu, 2 thr., "
        "batch 1 |",
        "| --- | ---: | ---: | ---: |",
        "| autoregressive teacher, beam 4 | – | – | 100 |",
        "| NAT + distillation | 400 | 450 (512) | 100 |",
    ]


def test_the_difference_to_greedy_has_the_largest_p_value(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "nat", 17.7, against_greedy={"bleu": -9.3, "bleu_p": 0.0012})
    assert "| -9.3 (p ≤ 0.001) |" in report(paper, read_lines(paper), [])
    write_row(paper, "nat", 17.7, against_greedy={"bleu": -0.02, "bleu_p": 0.4})
    assert "| 0.0 (p = 0.400) |" in report(paper, read_lines(paper), [])


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


def log_line(kind: str, updates: int, **values: float) -> str:
    """Writes a line as fairseq-train does."""
    prefix = {"train_inner": "", "valid": "valid_"}[kind]
    known = {"num_updates": updates, **values}
    found = {f"{prefix}{name}": str(value) for name, value in known.items()}
    return f"2026-01-01 00:00:00 | INFO | {kind} | {json.dumps(found)}\n"


def test_curves_are_thin_and_know_of_repetitions(tmp_path: Path) -> None:
    lines = [
        log_line("train_inner", n, loss=n / 10, lr=1.0) for n in range(10, 1010, 10)
    ]
    lines.insert(51, log_line("train_inner", 500, loss=99.0))
    lines += [log_line("valid", 500, bleu=3.0), log_line("train_inner", 20, loss=7.0)]
    log = tmp_path / "train.log"
    log.write_text("".join(lines))
    curves = read_curves(log)
    training = curves["training"]
    assert len(training) == 40
    assert training[-1] == {"updates": 1000, "loss": 99.5}  # the mean of two
    assert training[0] == {"updates": 20, "loss": 4.0}  # of update 10, and 20 as later
    assert curves["validation"] == [{"updates": 500, "bleu": 3.0}]
    assert [point["updates"] for point in training] == sorted(
        point["updates"] for point in training
    )
    assert thin(training) == training
