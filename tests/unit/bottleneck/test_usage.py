"""Figures for the log, on cases known by heart."""

from collections.abc import Callable

import pytest
import torch

from vq_nat.bottleneck import Bottleneck, usage

Make = Callable[..., Bottleneck]


def test_perplexity_counts_the_codes_in_use() -> None:
    assert usage.perplexity(torch.ones(2, 8)).item() == pytest.approx(8)
    collapsed = torch.tensor([[5.0, 0.0, 0.0]])
    assert usage.perplexity(collapsed).item() == pytest.approx(1)
    assert usage.perplexity(torch.zeros(1, 3)).item() == pytest.approx(1)


def test_used_and_dead_shares() -> None:
    assert usage.used_share(torch.tensor([[0.0, 0.1], [2.0, 0.0]])).item() == 0.5
    idle = torch.tensor([[0, 9, 10, 11]])
    assert usage.dead_share(idle, window=10).item() == 0.5


def test_recent_codes_are_those_used_since_the_start_or_in_a_hundred_updates() -> None:
    idle = torch.tensor([[0, 4, 5, 5]])  # after 5 updates, two codes were never used
    assert usage.recent_share(idle, torch.tensor(5)).item() == 0.5
    idle = torch.tensor([[0, 99, 100, 300]])
    assert usage.recent_share(idle, torch.tensor(300)).item() == 0.5
    assert usage.recent_share(torch.zeros(1, 4), torch.tensor(0)).item() == 1


def test_quantization_error_is_a_mean_over_vectors() -> None:
    z, quantized = torch.zeros(1, 2, 3), torch.tensor([[[1.0, 1, 1], [0, 0, 1]]])
    assert usage.quantization_error(z, quantized).item() == 2


def test_as_floats_keeps_names() -> None:
    metrics = {"a": torch.tensor(1.0), "b": torch.tensor(2.0, requires_grad=True)}
    assert usage.as_floats(metrics) == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize("kind", ["vq", "semhash", "gumbel", "fsq", "lfq"])
def test_figures_are_means_not_sums(make: Make, kind: str) -> None:
    """The same vectors twice over have the figures that they have once."""
    options = {"levels": "4,2"} if kind == "fsq" else {}
    bottleneck = make(kind=kind, slices=2, **options).eval()
    z_e = torch.randn(3, 5, 8)
    once, twice = (bottleneck(z).metrics for z in (z_e, z_e.repeat(2, 1, 1)))
    assert twice == pytest.approx(once, rel=1e-5)
