"""Quality and time by length: every sentence counts in one range, by its reference."""

import pytest

from vq_nat.bench.conditions import Rules
from vq_nat.bench.lengths import (
    latency_by_length,
    places_by_length,
    quality_by_length,
)
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.timing import no_wait
from vq_nat.results.lengths import EDGES, RANGES, by_range, range_of

WORDS = [1, 10, 11, 20, 21, 45, 46, 90, 3]


@pytest.fixture
def test_set() -> TestSet:
    """Sentences of as many words as `WORDS` says."""
    targets = [" ".join(f"w{n}" for n in range(count)) for count in WORDS]
    sources = [f"source {count}" for count in WORDS]
    return TestSet("toy", "test", sources, [[target] for target in targets])


def test_ranges_follow_each_other_and_leave_out_nothing() -> None:
    assert RANGES[0].least == 1 and RANGES[-1].most is None
    for before, after in zip(RANGES, RANGES[1:]):
        assert before.most is not None and after.least == before.most + 1
    for words in range(1, 100):
        length_range = RANGES[range_of(words)]
        assert length_range.least <= words <= (length_range.most or words)
    assert [one.name for one in RANGES[::4]] == ["1–10", f"{EDGES[-1] + 1} and more"]


def test_every_sentence_is_in_one_range(test_set: TestSet) -> None:
    places = places_by_length(test_set)
    assert sorted(sum(places, [])) == list(range(len(WORDS)))
    assert places[0] == [0, 1, 8] and places[-1] == [6, 7]
    assert places[2] == [4] and places[3] == [5]


def test_a_fault_counts_in_its_range_alone(test_set: TestSet) -> None:
    perfect = quality_by_length(test_set.targets, test_set)
    assert [row["sentences"] for row in perfect] == [3, 2, 1, 1, 2]
    assert all(row["bleu"] == pytest.approx(100) for row in perfect)
    assert all(row["repetition_rate"] == 0 for row in perfect)
    outputs = [*test_set.targets]
    outputs[5] = outputs[5].replace("w3 w4", "w3 w3")
    worse = quality_by_length(outputs, test_set)
    assert worse[:3] + worse[4:] == perfect[:3] + perfect[4:]
    assert worse[3]["bleu"] < 100
    assert worse[3]["repetition_rate"] == pytest.approx(1 / 45, abs=1e-4)


def test_ranges_that_a_test_set_has_not_are_left_out(test_set: TestSet) -> None:
    short = test_set.first(2)
    assert len(quality_by_length(short.targets, short)) == 1
    rows = latency_by_length(list, short, 5, Rules(1, 1), no_wait)
    assert list(by_range(rows)) == [RANGES[0]]


def test_some_sentences_of_each_range_are_timed(test_set: TestSet) -> None:
    calls: list[str] = []

    def translate(texts: list[str]) -> list[str]:
        calls.extend(texts)
        return texts

    rows = latency_by_length(translate, test_set, 2, Rules(0, 1), no_wait)
    assert [row["sentences"] for row in rows] == [2, 2, 1, 1, 2]
    assert calls == [f"source {count}" for count in (1, 10, 11, 20, 21, 45, 46, 90)]
    assert [row["words"] for row in rows] == [5.5, 15.5, 21, 45, 68]
    assert all(0 < row["ms"]["median"] <= row["ms"]["p90"] for row in rows)


def test_rows_without_lengths_have_none() -> None:
    assert by_range(None) == {}
