"""How far outputs are the teacher's, by their places in the sentence."""

import pytest

from vq_nat.bench.diagnosis import PLACES, agreement
from vq_nat.translated import Hypothesis


def said(*lines: str) -> list[Hypothesis]:
    """Hypotheses of these words."""
    return [Hypothesis(line, line.split(), [], 0.0) for line in lines]


def test_what_is_the_teachers_agrees_wherever_there_are_words() -> None:
    lines = said("a b c d e f", "g h")
    assert agreement(lines, lines) == [1.0, 1.0, None, None]
    assert len(PLACES) == 4


def test_the_longer_of_both_counts() -> None:
    """Two of six agree at the first places; one says nothing at the second ones."""
    ours, taught = said("a b c d", "x"), said("a x c y z", "w v")
    assert agreement(ours, taught)[:2] == [round(2 / 6, 4), 0.0]
    assert agreement(taught, ours) == agreement(ours, taught)


def test_sentences_without_their_teachers_are_refused() -> None:
    with pytest.raises(ValueError):
        agreement(said("a", "b"), said("a"))
