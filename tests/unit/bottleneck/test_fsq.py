"""Finite scalar quantization."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from averages import averaged

from vq_nat.bottleneck import Bottleneck, fsq

Make = Callable[..., Bottleneck]


@pytest.mark.parametrize("level", [2, 3, 4, 5, 8])
def test_rounding_gives_as_many_values_as_levels(level: int) -> None:
    x = torch.linspace(-20, 20, 4001).unsqueeze(-1)
    bounded = fsq.bound(x, torch.tensor([float(level)]))
    values = bounded.round().unique().tolist()
    assert values == list(range(-(level // 2), (level + 1) // 2))
    assert (bounded.diff(dim=0) >= 0).all()


@pytest.mark.parametrize("squash", fsq.SQUASHES)
@pytest.mark.parametrize("level", [2, 3, 4, 5, 8])
def test_zero_stays_zero(level: int, squash: str) -> None:
    scale = fsq.SQUASHES[squash]
    bounded = fsq.bound(torch.zeros(1), torch.tensor([float(level)]), scale)
    torch.testing.assert_close(bounded, torch.zeros(1), rtol=0, atol=1e-6)


def test_codes_and_numbers_are_the_same_thing(make: Make) -> None:
    bottleneck = make(kind="fsq", levels="4,3,5", num_codes=60)
    codes = torch.arange(60).view(3, 20)
    numbers = bottleneck._to_numbers(codes)
    assert len(numbers.flatten(0, 1).unique(dim=0)) == 60
    assert torch.equal(bottleneck._to_codes(numbers), codes)
    assert numbers[0, 0].tolist() == [-2, -1, -2] and numbers[0, 5, 0] == -1


@pytest.mark.parametrize("training", [True, False])
def test_the_output_is_the_lookup_of_its_codes(make: Make, training: bool) -> None:
    bottleneck = make(kind="fsq", levels="4,3", num_codes=12, slices=2)
    out = bottleneck.train(training)(3 * torch.randn(3, 5, 8))
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.codes))
    torch.testing.assert_close(out.quantized, averaged(bottleneck, out.weights))
    assert torch.equal(out.weights.argmax(-1), out.codes)
    assert len(out.codes.unique()) > 3


def test_the_codebook_is_the_grid(make: Make) -> None:
    bottleneck = make(kind="fsq", levels="4,2")
    slow = [
        [low, high] for high in (-1.0, 0.0) for low in (-1.0, -0.5, 0.0, 0.5)
    ]  # the first number changes fastest
    points = bottleneck.from_numbers(torch.tensor([slow]))
    torch.testing.assert_close(bottleneck.codebook, points)


def test_gradients_pass_rounding(make: Make) -> None:
    bottleneck = make(kind="fsq", levels="4,2")
    z_e = torch.randn(3, 5, 8, requires_grad=True)
    upstream = torch.randn(3, 5, 8)
    (bottleneck(z_e).quantized * upstream).sum().backward()
    ours, z_e.grad = z_e.grad, None
    numbers = bottleneck.to_numbers(z_e.flatten(0, 1).unsqueeze(0))
    smooth = bottleneck._show(fsq.bound(numbers, bottleneck.levels))
    (smooth.view(3, 5, 8) * upstream).sum().backward()
    torch.testing.assert_close(ours, z_e.grad)
    assert all(p.grad is not None for p in bottleneck.parameters())


def test_error_is_that_of_rounding(make: Make) -> None:
    bottleneck = make(kind="fsq", levels="8")
    bottleneck.to_numbers.weight.data.zero_()
    for number in (0.0, 0.1):
        bottleneck.to_numbers.bias.data.fill_(number)
        bounded = fsq.bound(torch.tensor([number]), bottleneck.levels).item()
        error = ((bounded - round(bounded)) / 4) ** 2  # levels lie 1/4 apart
        metrics = bottleneck(torch.randn(2, 3, 8)).metrics
        assert metrics["quantization_error"] == pytest.approx(error, abs=1e-9)


def test_an_m_step_moves_no_code(make: Make) -> None:
    bottleneck = make(kind="fsq", levels="4,2")
    before = deepcopy(dict(bottleneck.named_parameters()))
    bottleneck(torch.randn(2, 3, 8))
    bottleneck.m_step()
    assert all(torch.equal(t, before[n]) for n, t in bottleneck.named_parameters())


def test_ifsq_bounds_by_the_sigmoid_of_its_paper(make: Make) -> None:
    """round((L - 1) / 2 (2 sigma(1.6 x) - 1)), but for the slack at the ends."""
    bottleneck = make(kind="fsq", levels="9,5", num_codes=45, squash="sigmoid")
    numbers = torch.randn(1, 200, 2)
    half = torch.tensor([4.0, 2.0]) * (1 + fsq._SLACK)
    expected = half * (2 * torch.sigmoid(1.6 * numbers) - 1)
    bounded = fsq.bound(numbers, bottleneck.levels, fsq.SQUASHES["sigmoid"])
    torch.testing.assert_close(bounded, expected)
    bottleneck.to_numbers = torch.nn.Identity()
    bottleneck.num_slices, bottleneck.width = 1, 2
    bottleneck.from_numbers = torch.nn.Identity()
    shown = bottleneck(numbers).quantized * torch.tensor([4.0, 2.0])
    torch.testing.assert_close(shown, expected.round())


def test_ifsq_spreads_a_gaussian_evenly() -> None:
    """By how far its distribution is from the uniform one, on a grid of quantiles."""
    quantiles = (torch.arange(2000) + 0.5) / 2000
    gaussian = torch.special.ndtri(quantiles).unsqueeze(-1)
    away = {}
    for squash, scale in fsq.SQUASHES.items():
        levels = torch.tensor([9.0])
        bounded = fsq.bound(gaussian, levels, scale).squeeze(-1) / 4  # from -1 to 1
        away[squash] = ((bounded + 1) / 2 - quantiles).abs().max().item()
    assert away["sigmoid"] < 0.02 < away["tanh"]
