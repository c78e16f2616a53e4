"""Schedules of temperature and samples over the updates."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from vq_nat.bottleneck import Bottleneck, BottleneckConfig, schedule

Make = Callable[..., Bottleneck]


def config(curve: str, **options: Any) -> BottleneckConfig:
    """A schedule of 8 updates after a warm-up of 2."""
    fixed: dict[str, Any] = {"vq_schedule_updates": 8, "vq_warmup_updates": 2}
    return BottleneckConfig(**{**fixed, "vq_schedule": curve, **options})


def test_a_constant_stays() -> None:
    options = BottleneckConfig(vq_temperature=0.7, vq_num_samples=5)
    for n in (0, 10, 10**6):
        assert schedule.temperature(options, n) == 0.7
        assert schedule.num_samples(options, n) == 5


@pytest.mark.parametrize("curve", ["linear", "exponential"])
def test_ends_are_met_and_kept(curve: str) -> None:
    options = config(
        curve,
        vq_temperature=2.0,
        vq_temperature_end=0.02,
        vq_num_samples=10,
        vq_num_samples_end=1,
    )
    for n in (0, 1, 2):
        assert schedule.temperature(options, n) == 2.0
        assert schedule.num_samples(options, n) == 10
    for n in (10, 11, 10**6):
        assert schedule.temperature(options, n) == pytest.approx(0.02)
        assert schedule.num_samples(options, n) == 1


def test_linear_takes_equal_steps_and_exponential_equal_factors() -> None:
    ends: dict[str, Any] = {"vq_temperature": 8.0, "vq_temperature_end": 0.5}
    line = [schedule.temperature(config("linear", **ends), n) for n in range(2, 11)]
    assert [b - a for a, b in pairwise(line)] == pytest.approx([-7.5 / 8] * 8)
    curve = [
        schedule.temperature(config("exponential", **ends), n) for n in range(2, 11)
    ]
    assert [b / a for a, b in pairwise(curve)] == pytest.approx([16 ** (-1 / 8)] * 8)


@pytest.mark.parametrize("curve", ["linear", "exponential"])
def test_samples_are_whole_and_may_grow(curve: str) -> None:
    options = config(curve, vq_num_samples=1, vq_num_samples_end=32)
    samples = [schedule.num_samples(options, n) for n in range(12)]
    assert all(type(count) is int for count in samples)
    assert samples == sorted(samples) and samples[5] in range(2, 32)


def test_what_has_no_end_stays() -> None:
    options = config("linear", vq_temperature=0.7, vq_num_samples=0)
    assert schedule.temperature(options, 6) == pytest.approx(0.7)
    assert schedule.num_samples(options, 6) == 0


def test_training_ends_at_single_codes(make: Make) -> None:
    bottleneck = make(
        num_samples=10,
        num_samples_end=1,
        temperature=100.0,
        schedule="linear",
        schedule_updates=4,
    )
    z_e = torch.randn(3, 20, 8)
    counts = []
    for n in range(6):
        bottleneck.set_num_updates(n)
        out = bottleneck(z_e)
        counts.append(out.metrics["num_samples"])
        draws = out.weights * counts[-1]
        torch.testing.assert_close(draws, draws.round())
        assert (draws == 1).any()
    assert counts == [10, 8, 6, 3, 1, 1]
    assert torch.equal(out.weights.amax(-1), torch.ones(3, 20, 1))
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.weights.argmax(-1)))


def test_a_cooled_posterior_assigns_as_hard(make: Make) -> None:
    bottleneck = make(
        num_samples=0,
        temperature_end=1e-6,
        schedule="exponential",
        schedule_updates=10,
    )
    z_e = torch.randn(3, 5, 8)
    assert bottleneck(z_e).metrics["posterior_entropy"] > 0.5
    bottleneck.set_num_updates(10)
    out = bottleneck(z_e)
    assert out.metrics["temperature"] == pytest.approx(1e-6)
    assert torch.equal(out.weights.argmax(-1), out.codes)
    torch.testing.assert_close(out.weights.amax(-1), torch.ones(3, 5, 1))


def test_relative_temperatures_follow_the_schedule(make: Make) -> None:
    bottleneck = make(
        temperature_scale="relative",
        temperature_end=0.25,
        schedule="exponential",
        schedule_updates=2,
    )
    z_e = torch.randn(3, 5, 8)
    figures = []
    for n in range(4):
        bottleneck.set_num_updates(n)
        figures.append(bottleneck(z_e).metrics["temperature"])
    ratios = [figure / figures[0] for figure in figures]
    assert ratios == pytest.approx([1, 0.5, 0.25, 0.25])


def test_gumbel_cools_too(make: Make) -> None:
    bottleneck = make(
        kind="gumbel", temperature_end=0.5, schedule="linear", schedule_updates=10
    )
    z_e, figures, entropies = torch.randn(3, 5, 8), [], []
    for n in (0, 5, 10, 20):
        bottleneck.set_num_updates(n)
        out = bottleneck(z_e)
        figures.append(out.metrics["temperature"])
        entropies.append(out.metrics["posterior_entropy"])
    assert figures == [1.0, 0.75, 0.5, 0.5]
    assert entropies == pytest.approx([entropies[0]] * 4)  # of what is drawn from


def test_evaluation_reports_single_codes(make: Make) -> None:
    metrics = make(num_samples=7).eval()(torch.randn(2, 3, 8)).metrics
    assert metrics["num_samples"] == 1


def test_a_resumed_schedule_goes_on(make: Make, train: Callable) -> None:
    options: dict[str, Any] = {
        "num_samples_end": 1,
        "temperature_end": 0.1,
        "schedule": "exponential",
        "schedule_updates": 12,
    }
    unbroken, resumed = make(**options), make(**options)
    train(unbroken, list(torch.randn(5, 2, 10, 8)))
    resumed.load_state_dict(unbroken.state_dict())
    z_e = torch.randn(2, 10, 8)
    expected = unbroken(z_e).metrics
    figures = resumed(z_e).metrics
    for name in ("num_samples", "temperature"):
        assert figures[name] == expected[name]
    assert 1 < figures["num_samples"] < 10
