"""The same sentences at every batch size, in full batches, and a largest that fits."""

import pytest
import torch

from vq_nat.bench import clocks, timing
from vq_nat.bench.clocks import full_batches, measure_clock
from vq_nat.bench.conditions import Clock, Rules
from vq_nat.bench.speed import describe_latency

SENTENCES = ["x", "x x", "x x x"]


class Worker:
    """A clock, and a translator whose batch takes `cost(batch size)` seconds."""

    def __init__(self, cost) -> None:
        self.now, self.cost, self.calls = 0.0, cost, []

    def perf_counter(self) -> float:
        return self.now

    def translate(self, sentences: list[str]) -> list[str]:
        self.calls.append(sentences)
        self.now += self.cost(len(sentences))
        return sentences


@pytest.fixture
def employ(monkeypatch):
    """employ(cost): a worker whose clock `timing` looks at."""

    def make(cost) -> Worker:
        worker = Worker(cost)
        monkeypatch.setattr(timing, "time", worker)
        return worker

    return make


def read(worker, clock, rules=Rules(warm_up=0, repeats=1)):  # noqa: B008
    return measure_clock(worker.translate, SENTENCES, clock, rules, timing.no_wait)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_batches_are_full_and_hold_every_sentence(size) -> None:
    batches = list(full_batches(SENTENCES, size))
    assert all(len(batch) == size for batch in batches)
    flat = [sentence for batch in batches for sentence in batch]
    assert flat == (SENTENCES * 3)[: len(flat)] and len(flat) >= 3


def test_a_clock_tells_time_per_sentence(employ) -> None:
    row = read(employ(lambda size: 1 + size), Clock(2, 1))
    assert row["ms_per_sentence"] == {"median": 1500.0, "p90": 1500.0}
    assert row["sentences"] == 4
    assert row["sentences_per_s"] == pytest.approx(4 / 6, abs=0.01)
    assert row["words_per_s"] == pytest.approx(7 / 6, abs=0.05)
    assert row["largest"] is None


def test_a_tenth_of_a_microsecond_is_as_fine_as_a_row_is(employ) -> None:
    row = read(employ(lambda size: size / 3), Clock(2, 1))
    for ms in row["ms_per_sentence"].values():
        assert ms == pytest.approx(1000 / 3, abs=0.5e-4)
        assert len(str(ms).partition(".")[2]) <= 4


def test_latency_is_what_the_clock_of_single_sentences_shows(employ) -> None:
    row = read(employ(lambda size: 1 + size), Clock())
    latency = describe_latency(row)
    assert latency["batch_size"] == 1
    shared = latency.keys() & row.keys()
    assert {key: latency[key] for key in shared} == {key: row[key] for key in shared}
    spread = {key: latency[key] for key in ("median", "p90")}
    assert spread == row["ms_per_sentence"]


def test_warm_up_is_not_timed_and_repeats_are_medians(employ) -> None:
    times = iter([100.0, 100.0, 1.0, 1.0, 50.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    worker = employ(lambda size: next(times))
    row = read(worker, Clock(1, 1), Rules(warm_up=2, repeats=3))
    assert row["ms_per_sentence"] == {"median": 1000.0, "p90": 1000.0}
    assert len(worker.calls) == 2 + 3 * 3


def test_the_largest_batch_is_the_last_that_is_faster(employ) -> None:
    # Each sentence costs, the more the larger the batch: 1,024 is the best.
    row = read(employ(lambda size: 1024 + size**2 / 1024), Clock(0, 1))
    assert (row["batch_size"], row["largest"]) == (
        1024,
        "a larger batch is not faster",
    )


def test_memory_ends_the_search(employ, monkeypatch) -> None:
    memory = iter([100, 400, 400, 900])  # before and after each size
    monkeypatch.setattr(clocks, "resident_bytes", lambda: next(memory))
    row = read(employ(lambda size: 1.0), Clock(0, 1), Rules(0, 1, memory_limit=1000))
    assert row["batch_size"] == 512
    assert row["largest"] == "a larger batch would exceed the limit of memory"


def test_a_device_that_is_full_ends_the_search(employ) -> None:
    def cost(size: int) -> float:
        if size > 256:
            raise torch.OutOfMemoryError
        return 1.0

    row = read(employ(cost), Clock(0, 1))
    assert row["batch_size"] == 256 and "does not fit" in row["largest"]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError, RuntimeError("CUDA failed with error out of memory")],
)
def test_the_search_goes_down_where_the_first_size_does_not_fit(employ, error) -> None:
    def cost(size: int) -> float:
        if size > 70:
            raise error
        return 1.0

    row = read(employ(cost), Clock(0, 1))
    assert row["batch_size"] == 64 and "does not fit" in row["largest"]


def test_other_errors_and_what_never_fits_are_not_hidden(employ) -> None:
    def cost(size: int) -> float:
        raise RuntimeError(message)

    for message in ("a fault of the model", "out of memory"):
        with pytest.raises(RuntimeError, match=message):
            read(employ(cost), Clock(0, 1))


def test_the_search_has_an_end(employ) -> None:
    row = read(employ(lambda size: 1.0), Clock(0, 1))
    assert (row["batch_size"], row["largest"]) == (4096, "no more than 4096 were tried")


def test_clocks_are_read_from_text() -> None:
    assert Clock.read("8:1") == Clock(8, 1)
    assert Clock.read("0:0:cuda:1") == Clock(0, 0, "cuda:1")
    for text in ("8", "a:1", "8:-1"):
        with pytest.raises(ValueError, match="a clock must be BATCH_SIZE:THREADS or"):
            Clock.read(text)
    with pytest.raises(ValueError, match="`threads` must be from 0 to 1024, but i"):
        Clock.read("8:100000")
    with pytest.raises(ValueError, match="`batch_size` must be 0 or more, but is -1"):
        Clock(-1)


def test_a_quick_repeat_does_not_count(employ) -> None:
    """The median of the repeats of a batch, not the best of them."""
    times = iter([3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    row = read(employ(lambda size: next(times)), Clock(1, 1), Rules(0, 3))
    assert row["ms_per_sentence"]["median"] == 2000.0
    assert row["sentences_per_s"] == 0.5
