"""Time is measured per sentence, after a warm-up, with a pinned number of threads."""

import pytest
import torch

from vq_nat.bench import timing
from vq_nat.bench.timing import (
    measure_latency,
    measure_throughput,
    percentile,
    pinned_threads,
    synchronizer,
)


class Clockwork:
    """A clock and a translator that takes as many seconds as a sentence has letters."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[list[str]] = []
        self.slow_calls: set[int] = set()

    def perf_counter(self) -> float:
        return self.now

    def translate(self, sentences: list[str]) -> list[str]:
        disturbance = 1000 if len(self.calls) in self.slow_calls else 0
        self.calls.append(sentences)
        self.now += sum(map(len, sentences)) + disturbance
        return sentences


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """Replaces the clock that `timing` looks at."""
    clock = Clockwork()
    monkeypatch.setattr(timing, "time", clock)
    return clock


SENTENCES = ["x" * length for length in range(1, 11)]


def test_latency_is_milliseconds_of_single_sentences(clockwork: Clockwork) -> None:
    latency = measure_latency(clockwork.translate, SENTENCES, warm_up=0, repeats=1)
    assert latency == (5500.0, 9000.0, 10, 1)
    assert clockwork.calls == [[sentence] for sentence in SENTENCES]


def test_order_does_not_matter(clockwork: Clockwork) -> None:
    forwards = measure_latency(clockwork.translate, SENTENCES)
    assert measure_latency(clockwork.translate, SENTENCES[::-1]) == forwards


def test_one_disturbed_round_does_not_count(clockwork: Clockwork) -> None:
    clockwork.slow_calls = set(range(10, 20))
    latency = measure_latency(clockwork.translate, SENTENCES, warm_up=0, repeats=3)
    assert latency.median == 5500.0


def test_warm_up_is_not_timed(clockwork: Clockwork) -> None:
    clockwork.slow_calls = {0, 1, 2}
    latency = measure_latency(clockwork.translate, ["xx", "xx"], warm_up=3, repeats=1)
    assert (latency.median, latency.p90) == (2000.0, 2000.0)
    assert len(clockwork.calls) == 5


def test_throughput_counts_sentences_of_one_call(clockwork: Clockwork) -> None:
    assert measure_throughput(clockwork.translate, ["xx"] * 6) == 0.5
    assert clockwork.calls == [["xx"] * 6]


def test_the_device_is_waited_for_before_each_look(clockwork: Clockwork) -> None:
    looks: list[float] = []
    measure_latency(
        clockwork.translate,
        ["xx"],
        warm_up=1,
        repeats=1,
        synchronize=lambda: looks.append(clockwork.now),
    )
    assert looks == [2.0, 4.0]


def test_a_cpu_needs_no_waiting() -> None:
    assert synchronizer("cpu") is timing.no_wait


@pytest.mark.parametrize(("sentences", "repeats"), [([], 1), (["a"], 0)])
def test_nothing_cannot_be_timed(sentences: list[str], repeats: int) -> None:
    with pytest.raises(ValueError, match="must (hold|be) at least"):
        measure_latency(list, sentences, repeats=repeats)
    with pytest.raises(ValueError, match="must (hold|be) at least"):
        measure_throughput(list, sentences, repeats=repeats)


@pytest.mark.parametrize("size", [1, 2, 9, 10, 11, 100])
def test_percentile_leaves_the_rest_above(size: int) -> None:
    values = [float(value) for value in range(size)]
    ninth = percentile(values, 0.9)
    assert sum(value <= ninth for value in values) >= 0.9 * size
    assert sum(value < ninth for value in values) < 0.9 * size


def test_threads_are_pinned_and_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), pinned_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_no_thread_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="`threads` must be at least 1, but is 0"),
        pinned_threads(0),
    ):
        pass


def test_a_quick_round_does_not_count_either(clockwork: Clockwork) -> None:
    """The median of the repeats, not the best of them."""
    times = iter([3.0, 1.0, 2.0])

    def translate(sentences: list[str]) -> list[str]:
        clockwork.now += next(times)
        return sentences

    assert measure_latency(translate, ["x"], warm_up=0, repeats=3).median == 2000.0
