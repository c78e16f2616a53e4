"""From how many words on ours is the faster one: what the rows say, either way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.paper_table.entries import Entry, read_entries
from examples.paper_table.length_plots import draw_lengths, losses
from examples.paper_table.lengths import (
    FEWEST,
    bleu_at,
    drawn,
    length_tables,
    titled,
    verdicts,
)
from examples.paper_table.plan import TablePlan
from vq_nat.results.lengths import RANGES

Make = Callable[..., TablePlan]
Write = Callable[..., None]
RIVAL, OURS = "ct2-teacher-greedy-int8", "tuned"


def lengths(bleu: list[float], ms: list[float], sentences: int = 50) -> dict[str, Any]:
    """Returns what a row says of each range."""

    def of_range(number: int) -> dict[str, Any]:
        least, most = RANGES[number]
        return {"least": least, "most": most, "sentences": sentences}

    scored = {"length_ratio": 1.0, "repetition_rate": 0.125}
    return {
        "latency_ms": {"median": ms[2], "p90": ms[-1]},
        "by_length": [{**of_range(n), "bleu": b, **scored} for n, b in enumerate(bleu)],
        "latency_by_length": [
            {**of_range(n), "words": 10.0 * n + 5, "ms": {"median": t, "p90": t}}
            for n, t in enumerate(ms)
        ],
    }


THEIRS = lengths([40.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.fixture
def read(make_plan: Make, write_row: Write) -> Callable[..., list[Entry]]:
    """read(ours): the lines of a teacher, a rival and ours, as the rows have them."""

    def make(ours: dict[str, Any], **changed: Any) -> list[Entry]:
        plan = make_plan(seeds=(1,))
        write_row(plan, "teacher-beam4", 41.0, beam=4, **lengths([42.0] * 5, [9.0] * 5))
        write_row(plan, RIVAL, 40.0, beam=1, **THEIRS)
        values = {"beam": None, "n_c": 2, **ours, **changed}
        write_row(plan, OURS, 39.5, **values)
        return read_entries(plan)

    return make


def test_the_sentence_names_the_length_from_which_ours_wins(read: Any) -> None:
    (found,) = verdicts(read(lengths([40, 30, 39, 39, 39.2], [2, 1, 1, 1, 1])))
    assert found.startswith("From 21 words on ours is the faster one at equal quality")
    assert "3.0 to 5.0 times as fast" in found and "97.5 % or more of its BLEU" in found
    assert "the fastest good one in CTranslate2" in found


@pytest.mark.parametrize(
    ("bleu", "ms"),
    [
        ([40, 40, 40, 40, 38.7], [0.1] * 5),  # fast, but not as good where it counts
        ([40, 40, 40, 40, 40], [0.1, 0.1, 0.1, 0.1, 4.9]),  # as good, hardly faster
    ],
)
def test_the_sentence_says_so_where_ours_does_not_win(
    read: Any, bleu: list[float], ms: list[float]
) -> None:
    (found,) = verdicts(read(lengths(bleu, ms)))
    assert found.startswith("At no length is ours the faster one at equal quality")
    assert "at 46 and more words" in found


def test_ranges_of_few_sentences_do_not_count(read: Any) -> None:
    few = lengths([40, 40, 40, 40, 40], [0.5] * 5)
    few["by_length"][-1] |= {"sentences": FEWEST - 1, "bleu": 0.0}
    entries = read(few)
    (ours,) = [entry for entry in entries if entry.name == OURS]
    assert bleu_at(ours, RANGES[-1]) is None and bleu_at(ours, RANGES[0]) == 40
    (found,) = verdicts(entries)
    assert found.startswith("From 1 words on") and "2.0 to 8.0 times" in found


def test_a_rival_that_translates_badly_is_none(
    read: Any, make_plan: Make, write_row: Write
) -> None:
    ours = lengths([40.0] * 5, [0.9, 1.8, 2.7, 3.6, 4.5])
    entries = read(ours)
    plan = make_plan(seeds=(1,))
    bad = lengths([20.0] * 5, [0.01] * 5)
    write_row(plan, "ct2-teacher-greedy", 20.0, beam=1, **bad)
    assert list(verdicts(read_entries(plan))) == list(verdicts(entries))


def test_tables_have_a_column_for_each_range(read: Any) -> None:
    text = length_tables(read(lengths([40.0] * 5, [0.5] * 5)))
    assert text.count("| system | 1–10 | 11–20 | 21–30 | 31–45 | 46 and more |") == 3
    assert "| 40.0 | 40.0 | 40.0 | 40.0 | 40.0 |" in text
    assert "| 0.50 | 0.50 |" in text and "| 12.5 % |" in text
    assert titled("x", [], lambda entry, length: "1") == ""


def test_rows_without_lengths_have_no_tables(make_plan: Make, write_row: Write) -> None:
    plan = make_plan(seeds=(1,))
    for name in ("teacher-beam4", RIVAL, OURS):
        write_row(plan, name)
    entries = read_entries(plan)
    assert length_tables(entries) == "" and drawn(entries) == []


def test_curves_are_drawn_of_time_and_of_what_is_lost(
    read: Any, tmp_path: Path
) -> None:
    entries = read(lengths([41, 40, 39, 38, 37], [0.5] * 5))
    known = {entry.name: entry for entry in entries}
    assert losses(known[OURS], known["teacher-beam4"]) == [
        (10.0 * n + 5, -1.0 - n) for n in range(5)
    ]
    assert {entry.name for entry in drawn(entries)} == {*known}
    assert draw_lengths(entries, tmp_path / "lengths.png")
    assert (tmp_path / "lengths.png").stat().st_size > 10_000
    assert not draw_lengths(entries[:1], tmp_path / "none.png")
