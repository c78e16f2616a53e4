"""results/gaps.py: differences of BLEU between lines."""

from typing import Any

from vq_nat.results.gaps import told
from vq_nat.results.lines import Line


def compared(bleu: float, p: float) -> Any:
    """A row that was compared with another one."""
    return {"bleu": 30.0, "against_greedy": {"bleu": bleu, "bleu_p": p}}


def test_a_difference_is_the_mean_over_seeds_with_the_least_certain_of_them() -> None:
    line = Line("vq", "VQ", [compared(-1.0, 0.01), compared(-3.0, 0.04)])
    gap = told(line, "against_greedy")
    assert gap is not None and (gap.bleu, gap.p, gap.differs) == (-2.0, 0.04, False)


def test_the_mean_of_some_seeds_is_not_told_as_that_of_all() -> None:
    some: Any = {"bleu": 20.0}  # not compared: its difference may be any
    for rows in ([compared(-1.0, 0.01), some], [some]):
        assert told(Line("vq", "VQ", rows), "against_greedy") is None
