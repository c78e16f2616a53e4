"""Chance is told from difference by paired bootstrap."""

import random
from types import SimpleNamespace

import pytest

from vq_nat.bench import significance
from vq_nat.bench.significance import compare, same_share

WORDS = [f"w{index}" for index in range(30)]


def sentences(count: int, seed: int) -> list[list[str]]:
    """Draws sentences of twelve words."""
    drawn = random.Random(seed)
    return [drawn.choices(WORDS, k=12) for _ in range(count)]


def spoiled(lines: list[list[str]], share: float, seed: int) -> list[str]:
    """Replaces a share of the words by one that no reference has."""
    drawn = random.Random(seed)
    return [" ".join("x" if drawn.random() < share else w for w in s) for s in lines]


@pytest.fixture(scope="module")
def truth() -> list[list[str]]:
    """What the references say."""
    return sentences(200, seed=1)


def references(truth: list[list[str]]) -> list[list[str]]:
    """One for each sentence."""
    return [[" ".join(line)] for line in truth]


def test_equally_good_outputs_differ_by_chance(truth: list[list[str]]) -> None:
    """The same share of faults in other places: neither p-value is small."""
    row = compare(spoiled(truth, 0.2, 2), spoiled(truth, 0.2, 3), references(truth))
    assert row["bleu_p"] > 0.05 and row["chrf_p"] > 0.05
    assert abs(row["bleu"]) < 5


def test_much_better_outputs_do_not(truth: list[list[str]]) -> None:
    worse, better = spoiled(truth, 0.4, 2), spoiled(truth, 0.1, 3)
    row = compare(worse, better, references(truth))
    assert row["bleu_p"] <= 0.01 and row["chrf_p"] <= 0.01
    assert row["bleu"] > 10
    assert compare(better, worse, references(truth))["bleu"] == -row["bleu"]


def test_the_same_outputs_are_no_difference(truth: list[list[str]]) -> None:
    outputs = spoiled(truth, 0.2, 2)
    row = compare(outputs, outputs, references(truth))
    assert (row["bleu"], row["bleu_p"], row["same"]) == (0.0, 1.0, 1.0)


def test_a_p_value_that_is_missing_makes_nothing_sure(
    truth: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        n_samples = 7

        def __init__(self, systems: object, metrics: dict, *rest: object) -> None:
            self.metrics = metrics

        def __call__(self) -> tuple[dict, dict]:
            both = [SimpleNamespace(score=score, p_value=None) for score in (1.0, 2.0)]
            return dict.fromkeys(self.metrics), dict.fromkeys(self.metrics, both)

    monkeypatch.setattr(significance, "PairedTest", Silent)
    row = compare(["a"] * 200, ["b"] * 200, references(truth))
    assert (row["bleu"], row["bleu_p"], row["chrf_p"]) == (1.0, 1.0, 1.0)


def test_the_same_sentences_are_counted() -> None:
    assert same_share(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == 0.75
