"""From how many words on ours is the faster one: what the rows say, either way."""

from pathlib import Path
from typing import Any

import pytest

from vq_nat.bench.lines_picture import draw_lengths, losses
from vq_nat.results.lengths import FEWEST, RANGES, bleu_at, length_tables, titled
from vq_nat.results.lines import Line, by_name
from vq_nat.results.reach import drawn, verdicts

TEACHER, RIVAL, OURS = "teacher-beam4", "ct2-teacher-greedy-int8", "tuned"


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


def line(name: str, bleu: float, group: str = "", **known: Any) -> Line:
    """Returns a line of one row."""
    state = {"calibration": {"products_ms": 6.0, "operators_ms": 9.0}}
    times = {"latency_ms": {"median": 10.0}}
    row = {"bleu": bleu, "test_set": "test", **state, **times, **known}
    return Line(name, name, [row], group)


def lines_of(ours: dict[str, Any]) -> list[Line]:
    """Returns a teacher, a rival and ours."""
    return [
        line(TEACHER, 41.0, beam=4, **lengths([42.0] * 5, [9.0] * 5)),
        line(RIVAL, 40.0, "ctranslate2", beam=1, **THEIRS),
        line(OURS, 39.5, beam=None, n_c=2, **ours),
    ]


def test_the_sentence_names_the_length_from_which_ours_wins() -> None:
    (text,) = verdicts(lines_of(lengths([40, 30, 39, 39, 39.2], [2, 1, 1, 1, 1])))
    assert text.startswith("From 21 words on ours is the faster one at equal quality")
    assert "3.0 to 5.0 times as fast" in text and "97.5 % or more of its BLEU" in text
    assert "the fastest good one in CTranslate2" in text


def test_the_sentence_is_of_every_length_where_ours_wins_them_all() -> None:
    (verdict,) = verdicts(lines_of(lengths([40.0] * 5, [0.1] * 5)))
    assert verdict.startswith(
        "At every measured length ours is the faster one at equal quality"
    )


@pytest.mark.parametrize(
    ("bleu", "ms"),
    [
        ([40, 40, 40, 40, 38.7], [0.1] * 5),  # fast, but not as good where it counts
        ([40, 40, 40, 40, 40], [0.1, 0.1, 0.1, 0.1, 4.9]),  # as good, hardly faster
    ],
)
def test_the_sentence_says_so_where_ours_does_not_win(
    bleu: list[float], ms: list[float]
) -> None:
    (text,) = verdicts(lines_of(lengths(bleu, ms)))
    assert text.startswith("At no length is ours the faster one at equal quality")
    assert "at 46 and more words" in text


def test_ranges_of_few_sentences_do_not_count() -> None:
    few = lengths([40, 40, 40, 40, 40], [0.5] * 5)
    few["by_length"][-1] |= {"sentences": FEWEST - 1, "bleu": 0.0}
    lines = lines_of(few)
    (ours,) = [one for one in lines if one.name == OURS]
    assert bleu_at(ours, RANGES[-1]) is None and bleu_at(ours, RANGES[0]) == 40
    (text,) = verdicts(lines)
    assert text.startswith("At every measured length") and "2.0 to 8.0 times" in text


def test_a_rival_that_translates_badly_is_none() -> None:
    lines = lines_of(lengths([40.0] * 5, [0.9, 1.8, 2.7, 3.6, 4.5]))
    fast = lengths([20.0] * 5, [0.01] * 5)
    bad = line("ct2-teacher-greedy", 20.0, "ctranslate2", beam=1, **fast)
    assert list(verdicts([*lines, bad])) == list(verdicts(lines)) != []


def test_tables_have_a_column_for_each_range() -> None:
    text = length_tables(lines_of(lengths([40.0] * 5, [0.5] * 5)))
    assert text.count("| system | 1–10 | 11–20 | 21–30 | 31–45 | 46 and more |") == 3
    assert "| 40.0 | 40.0 | 40.0 | 40.0 | 40.0 |" in text
    assert "| 0.50 | 0.50 |" in text and "| 12.5 % |" in text
    assert titled("x", [], lambda line, length: "1") == ""


def test_rows_without_lengths_have_no_tables() -> None:
    lines = [line(name, 20.0) for name in (TEACHER, RIVAL, OURS)]
    assert length_tables(lines) == "" and drawn(lines) == []


def test_curves_are_drawn_of_time_and_of_what_is_lost(tmp_path: Path) -> None:
    lines = lines_of(lengths([41, 40, 39, 38, 37], [0.5] * 5))
    known = by_name(lines)
    assert losses(known[OURS], known[TEACHER]) == [
        (10.0 * n + 5, -1.0 - n) for n in range(5)
    ]
    assert {one.name for one in drawn(lines)} == {*known}
    assert draw_lengths(lines, tmp_path / "lengths.png")
    assert (tmp_path / "lengths.png").stat().st_size > 10_000
    assert not draw_lengths(lines[:1], tmp_path / "none.png")
