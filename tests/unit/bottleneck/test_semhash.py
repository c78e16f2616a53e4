"""Improved semantic hashing."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch

from vq_nat.bottleneck import Bottleneck, bits, semhash

Make = Callable[..., Bottleneck]


def test_saturating_sigmoid_reaches_both_ends() -> None:
    values = semhash.saturating_sigmoid(torch.tensor([-10.0, 0.0, 10.0]))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.5, 1.0]))


def test_codes_and_bits_are_the_same_thing() -> None:
    codes = torch.arange(64).view(4, 16)
    all_bits = bits.codes_to_bits(codes, 6)
    assert all_bits.shape == (4, 16, 6)
    assert torch.equal(bits.bits_to_codes(all_bits), codes)
    assert all_bits[0, 6].tolist() == [0, 1, 1, 0, 0, 0]  # lowest first


def test_evaluation_shows_the_lookup_of_the_codes(make: Make) -> None:
    bottleneck = make(kind="semhash", num_codes=16, slices=2).eval()
    out = bottleneck(torch.randn(3, 5, 8))
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.codes))
    assert torch.equal(out.weights.argmax(-1), out.codes)


def test_codes_are_the_signs_without_noise(make: Make) -> None:
    bottleneck, z_e = make(kind="semhash"), torch.randn(3, 5, 8)
    assert torch.equal(bottleneck(z_e).codes, bottleneck.eval()(z_e).codes)


def test_half_of_the_vectors_show_their_drawn_bits(make: Make) -> None:
    """Fails by chance once in 10^9 runs or less: a binomial of 2000 beyond 7 sigma."""
    torch.seed()
    bottleneck = make(kind="semhash", num_codes=64)
    out = bottleneck(torch.randn(1, 2000, 8))
    shown = bottleneck.lookup(out.weights.argmax(-1))
    hits = torch.isclose(out.quantized, shown, atol=1e-5).all(-1).float().mean()
    assert abs(hits.item() - 0.5) < 7 * 0.5 / 2000**0.5 + 0.02  # a few saturate


@pytest.mark.parametrize(
    ("updates", "share"), [(0, 0.05), (4, 0.25), (9, 0.5), (90, 0.5)]
)
def test_bits_are_shown_more_often_step_by_step(
    make: Make, updates: int, share: float
) -> None:
    """Fails by chance once in 10^9 runs or less: a binomial of 4000 beyond 7 sigma."""
    torch.seed()
    bottleneck = make(kind="semhash", num_codes=64, warmup_updates=10)
    bottleneck.set_num_updates(updates)
    out = bottleneck(0.1 * torch.randn(1, 4000, 8))
    shown = bottleneck.lookup(out.weights.argmax(-1))
    hits = torch.isclose(out.quantized, shown, atol=1e-5).all(-1).float().mean()
    assert abs(hits.item() - share) < 7 * 0.5 / 4000**0.5


def test_without_noise_the_drawn_bits_are_the_codes(make: Make) -> None:
    bottleneck = make(kind="semhash", bit_noise=0.0)
    out = bottleneck(0.01 * torch.randn(3, 5, 8))
    assert torch.equal(out.weights.argmax(-1), out.codes)
    assert out.metrics["posterior_entropy"] == pytest.approx(0, abs=1e-6)


def test_gradient_reaches_z_through_the_bits(make: Make) -> None:
    for training in (True, False):
        bottleneck = make(kind="semhash").train(training)
        z_e = (0.1 * torch.randn(3, 5, 8)).requires_grad_()
        bottleneck(z_e).quantized.square().sum().backward()
        assert (
            z_e.grad is not None and (z_e.grad.abs().sum(-1) > 0).float().mean() > 0.5
        )
        assert all(p.grad is not None for p in bottleneck.parameters())


def test_entropy_falls_from_a_coin_a_bit_to_nothing(make: Make) -> None:
    bottleneck = make(kind="semhash", num_codes=16)
    z_e = torch.randn(2, 3, 8)
    unsure = bottleneck(1e-4 * z_e).metrics["posterior_entropy"]
    assert unsure == pytest.approx(4 * 0.6931, abs=1e-2)
    assert bottleneck(1e4 * z_e).metrics["posterior_entropy"] < 0.1


def test_an_m_step_moves_no_code(make: Make) -> None:
    bottleneck = make(kind="semhash")
    before = deepcopy(dict(bottleneck.named_parameters()))
    bottleneck(torch.randn(2, 3, 8))
    bottleneck.m_step()
    assert all(torch.equal(t, before[n]) for n, t in bottleneck.named_parameters())


@pytest.mark.parametrize("noise", [1.0, 0.5])
def test_bits_are_drawn_by_noise_of_that_deviation(make: Make, noise: float) -> None:
    """P(bit = 1) = Phi(v / s); by Hoeffding's bound it fails once in 10^9 runs."""
    torch.seed()
    bottleneck = make(kind="semhash", num_codes=16, bit_noise=noise)
    draws = 20_000
    z = torch.randn(1, 1, 8)
    drawn = bottleneck(z.expand(1, draws, 8)).weights.argmax(-1)[0, :, 0]
    ones = bits.codes_to_bits(drawn, 4).mean(0)
    expected = torch.special.ndtr(bottleneck.to_bits(z)[0, 0] / noise)
    bound = math.sqrt(math.log(2 * 4 / 1e-9) / (2 * draws))
    assert (ones - expected).abs().max() <= bound
    assert ones.min() > 0 and ones.max() < 1


def test_evaluation_draws_nothing(make: Make) -> None:
    bottleneck, z_e = make(kind="semhash").eval(), 1e-3 * torch.randn(3, 50, 8)
    assert torch.equal(bottleneck(z_e).weights, bottleneck(z_e).weights)


def test_bits_become_vectors_by_the_authors_layers(make: Make) -> None:
    """h1 = A b + B (1 - b), then W3 relu(W2 relu(h1)): the layers of their code."""
    bottleneck = make(kind="semhash", num_codes=16, slices=2, hidden=5).eval()
    layers = bottleneck.from_bits
    b = torch.rand(2, 7, 4)
    first, second = torch.randn(2, 2, 4, 5)
    layers.first.weight.data.copy_(first - second)
    layers.first.bias.data.copy_(second.sum(1, keepdim=True))
    hidden = (b @ first + (1 - b) @ second).relu()
    hidden = (hidden @ layers.second.weight + layers.second.bias).relu()
    expected = hidden @ layers.last.weight + layers.last.bias
    torch.testing.assert_close(bottleneck.show_bits(b), expected)


@pytest.mark.parametrize(("hidden", "expected"), [(0, 32), (5, 5)])
def test_hidden_layers_are_as_wide_as_told(
    make: Make, hidden: int, expected: int
) -> None:
    layers = make(kind="semhash", hidden=hidden).from_bits
    assert layers.first.weight.shape == (1, 3, expected)
    assert layers.second.weight.shape == (1, expected, expected)


def test_a_checkpoint_with_one_linear_layer_gives_what_it_gave(make: Make) -> None:
    bottleneck = make(kind="semhash", num_codes=16, slices=2)
    state = bottleneck.state_dict()
    old = {name: v for name, v in state.items() if not name.startswith("from_bits")}
    weight, bias = torch.randn(2, 4, 4), torch.randn(2, 1, 4)
    old |= {"from_bits.weight": weight, "from_bits.bias": bias}
    bottleneck.load_state_dict(old)
    b = torch.rand(2, 7, 4)
    torch.testing.assert_close(bottleneck.show_bits(b), (2 * b - 1) @ weight + bias)
    again = make(kind="semhash", num_codes=16, slices=2)
    again.load_state_dict(bottleneck.state_dict())
    torch.testing.assert_close(again.codebook, bottleneck.codebook)
