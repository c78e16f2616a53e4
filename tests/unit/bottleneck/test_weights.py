"""Sparse and dense weights answer alike."""

import torch
from torch import Tensor

from vq_nat.bottleneck.weights import Draws, Expectation

SLICES, VECTORS, CODES, WIDTH = 2, 7, 5, 3


def slow(draws: Tensor) -> Tensor:
    """The average of one-hots. Shape: (G, N, M) -> (G, N, K)."""
    return torch.nn.functional.one_hot(draws, CODES).float().mean(2)


def both(num_samples: int, vectors: int = VECTORS) -> tuple[Draws, Expectation]:
    """The same weights in both forms; code 4 is not used."""
    draws = torch.randint(CODES - 1, (SLICES, vectors, num_samples))
    dense = slow(draws)
    return Draws(draws, CODES), Expectation(dense, dense.argmax(-1))


def test_draws_and_their_dense_weights_agree() -> None:
    for num_samples in (1, 10):
        draws, dense = both(num_samples)
        z, codebook = torch.randn(SLICES, VECTORS, WIDTH), torch.randn(2, CODES, WIDTH)
        torch.testing.assert_close(draws.counts(), dense.counts())
        torch.testing.assert_close(draws.sums(z), dense.sums(z))
        torch.testing.assert_close(draws.mix(codebook), dense.mix(codebook))
        torch.testing.assert_close(draws.dense(), dense.dense())


def test_a_code_is_used_by_who_draws_it_or_finds_it_the_most_probable() -> None:
    draws, dense = both(num_samples=3)
    assert torch.equal(draws.use() > 0, draws.counts() > 0)
    nearest = torch.nn.functional.one_hot(dense.probabilities.argmax(-1), CODES)
    assert torch.equal(dense.use(), nearest.sum(1).float())
    assert dense.use().sum() == SLICES * VECTORS


def test_the_gradient_of_a_mix_reaches_the_codes() -> None:
    draws, dense = both(num_samples=4)
    upstream, gradients = torch.randn(SLICES, VECTORS, WIDTH), []
    codebook = torch.randn(SLICES, CODES, WIDTH, requires_grad=True)
    for weights in (draws, dense):
        mixed = weights.mix(codebook)
        gradients += torch.autograd.grad((mixed * upstream).sum(), codebook)
    torch.testing.assert_close(*gradients)


def test_no_vectors_add_nothing() -> None:
    for weights in both(num_samples=3, vectors=0):
        assert weights.counts().shape == (SLICES, CODES)
        assert weights.counts().abs().sum() == 0
        sums = weights.sums(torch.zeros(SLICES, 0, WIDTH))
        assert sums.shape == (SLICES, CODES, WIDTH) and sums.abs().sum() == 0
        mixed = weights.mix(torch.randn(SLICES, CODES, WIDTH))
        assert mixed.shape == (SLICES, 0, WIDTH)
        assert weights.dense().shape == (0, SLICES, CODES)


def test_a_single_draw_is_looked_up_to_the_last_bit() -> None:
    codes = torch.randint(CODES, (1, VECTORS, 1))
    codebook = torch.randn(1, CODES, WIDTH)
    assert torch.equal(
        Draws(codes, CODES).mix(codebook)[0], codebook[0, codes[0, :, 0]]
    )
