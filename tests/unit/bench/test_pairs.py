"""Two systems in turn: what slows both down says nothing of either."""

import pytest

from vq_nat.bench import pairs, timing
from vq_nat.bench.conditions import Rules
from vq_nat.bench.pairs import time_in_turn


class Machine:
    """A clock, and how slow the machine is by now: it gets slower all the time."""

    def __init__(self, slower: float) -> None:
        self.now, self.calls, self.slower = 0.0, 0, slower
        self.order: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> None:
        self.order.append(name)
        self.calls += 1
        self.now += seconds * (1 + self.slower * self.calls)


@pytest.mark.parametrize("slower", [0.0, 0.001])
def test_a_machine_that_slows_down_changes_no_ratio(
    slower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(slower)
    monkeypatch.setattr(timing, "time", machine)
    row = time_in_turn(
        lambda _: machine.work("base", 4.0) or [],  # type: ignore[func-returns-value]
        lambda _: machine.work("other", 1.0) or [],  # type: ignore[func-returns-value]
        [str(n) for n in range(20)],
        Rules(warm_up=2, repeats=4),
    )
    assert row["times"] == pytest.approx(4.0, rel=0.01)
    assert row["least"] <= row["times"] <= row["most"]
    if not slower:
        assert (row["base_ms"], row["ms"]) == (4000, 1000)


def test_who_begins_changes_with_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(0.0)
    monkeypatch.setattr(timing, "time", machine)
    time_in_turn(
        lambda _: machine.work("base", 1.0) or [],  # type: ignore[func-returns-value]
        lambda _: machine.work("other", 1.0) or [],  # type: ignore[func-returns-value]
        ["a", "b"],
        Rules(warm_up=0, repeats=2),
    )
    assert machine.order == ["base", "other"] * 2 + ["other", "base"] * 2


def test_nothing_cannot_be_timed() -> None:
    with pytest.raises(ValueError, match="`sentences` must hold at least one"):
        pairs.time_in_turn(lambda x: x, lambda x: x, [], Rules())
