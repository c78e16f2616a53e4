"""The Gumbel-softmax bottleneck."""

import math
from collections.abc import Callable
from copy import deepcopy

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
