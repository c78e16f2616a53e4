"""The Gumbel-softmax bottleneck."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from averages import averaged

from vq_nat.bottleneck import Bottleneck

Make = Callable[..., Bottleneck]


def test_evaluation_shows_the_most_probable_code(make: Make) -> None:
    bottleneck = make(kind="gumbel", slices=2).eval()
    out = bottleneck(torch.randn(3, 5, 8))
    assert torch.equal(out.quantized, bottleneck.lookup(out.codes))
    assert torch.equal(out.weights.argmax(-1), out.codes)


def test_training_shows_the_drawn_code(make: Make) -> None:
    bottleneck = make(kind="gumbel", slices=2)
    out = bottleneck(torch.randn(3, 5, 8))
    torch.testing.assert_close(out.quantized, averaged(bottleneck, out.weights))
    assert ((out.weights == 0) | (out.weights == 1)).all()
    assert not torch.equal(out.weights.argmax(-1), out.codes)


def test_draws_follow_the_softmax(make: Make) -> None:
    """By Hoeffding's bound it fails once in 10^9 runs, so it needs no seed."""
    torch.seed()
    bottleneck, draws = make(kind="gumbel", temperature=0.5), 20_000
    z = torch.randn(1, 1, 8)
    shares = bottleneck(z.expand(1, draws, 8)).weights.mean((0, 1))[0]
    logits = bottleneck.to_logits(z)[0, 0]
    bound = math.sqrt(math.log(2 * 8 / 1e-9) / (2 * draws))
    assert (shares - torch.softmax(logits, -1)).abs().max() <= bound


def test_gradient_is_that_of_the_mix(make: Make) -> None:
    bottleneck = make(kind="gumbel", temperature=2.0)
    z_e = torch.randn(2, 3, 8, requires_grad=True)
    upstream = torch.randn(2, 3, 8)
    torch.manual_seed(4)
    (bottleneck(z_e).quantized * upstream).sum().backward()
    ours, z_e.grad = z_e.grad, None
    torch.manual_seed(4)
    logits = bottleneck.to_logits(z_e.flatten(0, 1).unsqueeze(0))
    noise = -torch.empty_like(logits).exponential_().log()
    mix = torch.softmax((logits + noise) / 2.0, -1)
    ((mix @ bottleneck.codebook).view(2, 3, 8) * upstream).sum().backward()
    torch.testing.assert_close(ours, z_e.grad)
    assert all(p.grad is not None for p in bottleneck.parameters())


def test_an_m_step_moves_no_code(make: Make) -> None:
    bottleneck = make(kind="gumbel")
    before = deepcopy(dict(bottleneck.named_parameters()))
    bottleneck(torch.randn(2, 3, 8))
    bottleneck.m_step()
    assert all(torch.equal(t, before[n]) for n, t in bottleneck.named_parameters())


def test_the_loss_is_the_divergence_from_the_uniform_prior(make: Make) -> None:
    bottleneck = make(kind="gumbel", slices=2, kl_weight=0.3)
    z_e = torch.randn(2, 3, 8, requires_grad=True)
    out = bottleneck(z_e)
    logits = bottleneck.to_logits(
        z_e.flatten(0, 1).unflatten(-1, (2, 4)).transpose(0, 1)
    )
    q = torch.distributions.Categorical(logits=logits)
    prior = torch.distributions.Categorical(logits=torch.zeros(8))
    expected = torch.distributions.kl_divergence(q, prior).sum(0).mean()
    torch.testing.assert_close(out.loss, 0.3 * expected)
    slope, wanted = (
        torch.autograd.grad(loss, z_e)[0] for loss in (out.loss, 0.3 * expected)
    )
    torch.testing.assert_close(slope, wanted)
    assert make(kind="gumbel")(z_e).loss.item() == 0


def test_the_divergence_is_nothing_where_codes_are_alike(make: Make) -> None:
    bottleneck = make(kind="gumbel", kl_weight=1.0)
    z_e = torch.randn(2, 3, 8)
    bottleneck.to_logits.weight.data.zero_()
    assert bottleneck(z_e).loss.item() == pytest.approx(0, abs=1e-6)
    bottleneck.to_logits.bias.data[0, 0, 3] = 1e4  # always code 3
    assert bottleneck(z_e).loss.item() == pytest.approx(math.log(8))


def test_the_temperature_is_annealed_as_in_the_paper(make: Make) -> None:
    """tau = max(0.5, exp(-r t)), with r so that 0.5 is reached after 100 updates."""
    bottleneck = make(
        kind="gumbel",
        temperature=1.0,
        temperature_end=0.5,
        schedule="exponential",
        schedule_updates=100,
    )
    for update in (0, 10, 50, 100, 500):
        bottleneck.set_num_updates(update)
        expected = max(0.5, math.exp(-math.log(2) / 100 * update))
        assert bottleneck.temperature == pytest.approx(expected)
        assert bottleneck(torch.randn(1, 2, 8)).metrics["temperature"] == pytest.approx(
            expected
        )
