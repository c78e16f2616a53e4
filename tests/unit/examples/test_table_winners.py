"""Who wins where, from made-up rows."""

import json
from collections.abc import Callable
from pathlib import Path

from table_rows import SLOWER, ms

from examples.paper_table.claims import WITHIN_CHANCE, judge
from examples.paper_table.lines import read_lines
from examples.paper_table.plan import TablePlan
from vq_nat.results.winners import winners

Make = Callable[..., TablePlan]
Write = Callable[..., None]
TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"


def test_the_paragraph_says_where_we_lose(paper: TablePlan) -> None:
    text = winners(read_lines(paper))
    assert (
        "**Quality:** we lose; our best is “VQ-VAE with EM (n_s = 10) + distillation” "
        "with 26.7 BLEU, the best other system is “autoregressive teacher, beam 4” "
        "with 28.1 (-1.4)." in text
    )
    assert "**Speed, one sentence at a time:** we lose; our fastest is “VQ-VAE" in text
    assert "no other system is both better and faster" in text
    assert "whose times compare" not in text  # all of them


def test_the_paragraph_says_of_how_many_systems_it_is(
    paper: TablePlan, write_row: Write
) -> None:
    write_row(paper, "ct2-teacher-greedy", 27.0, **SLOWER, **ms(1.0))
    lines = read_lines(paper)
    count = sum(line.is_system for line in lines)
    assert f"of the {count - 1} of {count} systems whose times" in winners(lines)


def test_of_a_few_systems_alone_nobody_is_said_to_be_the_fastest(
    paper: TablePlan, write_row: Write
) -> None:
    """The rivals that were left out may be the fast ones."""
    for path in paper.rows.glob("*.json"):
        row = json.loads(path.read_text())
        if not row["row"].startswith(("teacher-beam4", "vq-em10")):
            path.write_text(json.dumps(row | SLOWER))
    text = winners(read_lines(paper))
    assert "**Speed** is not compared" in text and "fastest" not in text
    assert "**Quality:**" in text


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


def test_codes_of_the_reference_win_nothing(paper: TablePlan, write_row: Write) -> None:
    before = winners(read_lines(paper))
    write_row(paper, "vq-em10-true-codes", 99.0, **ms(1.0))
    write_row(paper, "codes-512", 98.0, **ms(1.0))
    assert winners(read_lines(paper)) == before
