"""What lines say of their rows: fronts, best batches, clocks."""

from typing import Any

import pytest

from vq_nat.results.clocks import crowded_clocks
from vq_nat.results.columns import clocks_table
from vq_nat.results.lines import Line, Speed, by_best_batch, by_latency, pareto_front


def line_of(bleu: float, median: float, **rest: Any) -> Line:
    """Returns a line of one row."""
    rate = {"sentences_per_s": 100.0, "batch_size": 64}
    row = {
        "bleu": bleu,
        "throughput": rate,
        "threads": 1,
        "latency_ms": {"median": median},
        **rest,
    }
    return Line("nat", "NAT", [row])


def test_the_front_has_what_none_beats_in_both() -> None:
    points = [(10, 5), (20, 9), (15, 9), (20, 9.5), (12, 4), (30, 30)]
    lines = [line_of(bleu, median) for bleu, median in points]
    front = pareto_front(lines, by_latency)
    assert [(line.bleu, line.latency) for line in front] == [(12, 4), (20, 9), (30, 30)]


def test_the_best_batch_is_the_fastest_on_as_many_threads() -> None:
    measured = [("cpu", 32, 1, 250), ("cpu", 128, 1, 200), ("cpu", 64, 8, 900)]
    measured.append(("cuda", 64, 1, 9000))
    names = ("device", "batch_size", "threads", "sentences_per_s")
    clocks = [dict(zip(names, clock)) for clock in measured]
    line = line_of(1.0, 1.0, device="cpu", clocks=clocks)
    assert line.best_speed == Speed(250, 32)
    assert by_best_batch(line) == pytest.approx(1000 / 250)


def test_threads_that_others_disturbed_have_no_clocks() -> None:
    names = ("device", "batch_size", "threads", "sentences_per_s", "largest")
    measured = [
        ("cpu", 1, 1, 270, None),
        ("cpu", 1, 2, 21, None),
        ("cpu", 8, 2, 300, None),
        ("cuda", 8, 1, 9000, None),  # another device says nothing of these cores
    ]
    line = line_of(1.0, 1.0, clocks=[dict(zip(names, c)) for c in measured])
    assert clocks_table([line]).splitlines()[-1] == "| NAT | 270 | – | 300 | 9000 |"
    assert crowded_clocks(line.timed) == ["cpu, 2 thr., batch 1"]
