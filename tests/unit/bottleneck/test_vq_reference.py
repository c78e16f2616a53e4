"""Vector quantization against the equations of the paper, in NumPy and float64.

    z_q = sum_j w_j e_j
    loss = beta mean (z_e - z_q)^2 (+ mean (z_e - z_q)^2 with the gradient update)
    n_j = sum_i w_ij,  s_j = sum_i w_ij z_i
    N <- lambda N + (1 - lambda) n,  S <- lambda S + (1 - lambda) s
    e_j = S_j / ((N_j + eps) / (sum N + K eps) sum N)

The reference takes the drawn weights from the output and all else from the equations.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vq_nat.bottleneck import Bottleneck, BottleneckOutput

Array = NDArray[np.float64]
DECAY, EPSILON, BETA, TEMPERATURE = 0.9, 1e-3, 0.3, 1.7


class Reference:
    """One quantizer's equations, slice by slice, vector by vector."""

    def __init__(self, bottleneck: Bottleneck) -> None:
        self.codes = bottleneck.codebook.detach().double().numpy().copy()  # (G, K, D)
        self.counts = bottleneck.table.ema_counts.double().numpy().copy()
        self.sums = bottleneck.table.ema_sums.double().numpy().copy()

    def distances(self, z: Array) -> Array:
        """(G, N, D) -> (G, N, K)."""
        differences = z[:, :, None, :] - self.codes[:, None, :, :]
        return (differences**2).sum(-1)

    def posterior(self, z: Array) -> Array:
        """(G, N, D) -> (G, N, K)."""
        odds = np.exp(-self.distances(z) / TEMPERATURE)
        return odds / odds.sum(-1, keepdims=True)

    def mix(self, weights: Array) -> Array:
        """(G, N, K) -> (G, N, D)."""
        return np.einsum("gnk,gkd->gnd", weights, self.codes)

    def statistics(self, z: Array, weights: Array) -> tuple[Array, Array]:
        """n and s of one batch."""
        return weights.sum(1), np.einsum("gnk,gnd->gkd", weights, z)

    def m_step(self, counts: Array, sums: Array) -> None:
        """Moves N, S and e."""
        self.counts = DECAY * self.counts + (1 - DECAY) * counts
        self.sums = DECAY * self.sums + (1 - DECAY) * sums
        total = self.counts.sum(-1, keepdims=True)
        num_codes = self.counts.shape[-1]
        smooth = (self.counts + EPSILON) / (total + num_codes * EPSILON) * total
        self.codes = self.sums / smooth[..., None]


def close(actual: torch.Tensor, expected: Array) -> None:
    """Equal to 1e-5, relative to the largest entry."""
    scale = max(1e-30, float(np.abs(expected).max()))
    np.testing.assert_allclose(
        actual.detach().double().numpy(), expected, rtol=1e-5, atol=1e-5 * scale
    )


def slices_first(tensor: torch.Tensor, slices: int) -> Array:
    """(B, L, C) -> (G, N, D)."""
    cut = tensor.detach().double().unflatten(-1, (slices, -1)).flatten(0, 1)
    return cut.transpose(0, 1).numpy()


def check_output(
    out: BottleneckOutput, z: Array, reference: Reference, slices: int
) -> Array:
    """Compares a forward pass with the equations; returns the weights (G, N, K)."""
    weights = out.weights.flatten(0, 1).transpose(0, 1).double().numpy()
    codes = out.codes.flatten(0, 1).t().numpy()
    np.testing.assert_array_equal(codes, reference.distances(z).argmin(-1))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    quantized = reference.mix(weights)
    np.testing.assert_allclose(
        slices_first(out.quantized, slices), quantized, rtol=1e-5, atol=1e-5
    )
    loss = BETA * ((z - quantized) ** 2).mean()
    assert out.loss.item() == pytest.approx(loss, rel=1e-5)
    error = ((z - quantized) ** 2).sum((0, 2)).mean()
    assert out.metrics["quantization_error"] == pytest.approx(error, rel=1e-5)
    return weights


@pytest.mark.parametrize("slices", [1, 2, 4])
@pytest.mark.parametrize("num_samples", [None, 0, 1, 10])
def test_a_hundred_updates_follow_the_equations(
    make: Callable[..., Bottleneck], num_samples: int | None, slices: int
) -> None:
    bottleneck = make(
        assign="hard" if num_samples is None else "soft",
        num_samples=num_samples or 0,
        slices=slices,
        temperature=TEMPERATURE,
        decay=DECAY,
        epsilon=EPSILON,
        commitment=BETA,
    )
    reference = Reference(bottleneck)
    for n in range(100):
        z_e = torch.randn(3, 7, 8) + 0.01 * n
        z = slices_first(z_e, slices)
        out = bottleneck(z_e)
        weights = check_output(out, z, reference, slices)
        if num_samples is None:
            np.testing.assert_array_equal(
                weights.argmax(-1), reference.distances(z).argmin(-1)
            )
        if num_samples == 0:
            np.testing.assert_allclose(
                weights, reference.posterior(z), rtol=1e-4, atol=1e-6
            )
        if num_samples:
            draws = weights * num_samples
            np.testing.assert_allclose(draws, draws.round(), atol=1e-5)
        counts, sums = reference.statistics(z, weights)
        close(bottleneck.table.counts, counts)
        close(bottleneck.table.sums, sums)
        reference.m_step(counts, sums)
        bottleneck.m_step()
        if n + 1 in (1, 10, 100):
            close(bottleneck.table.ema_counts, reference.counts)
            close(bottleneck.table.ema_sums, reference.sums)
            close(bottleneck.codebook, reference.codes)


def test_posterior_entropy_follows_the_equation(
    make: Callable[..., Bottleneck],
) -> None:
    bottleneck = make(temperature=TEMPERATURE, slices=2)
    z_e = torch.randn(3, 7, 8)
    p = Reference(bottleneck).posterior(slices_first(z_e, 2))
    entropy = -(p * np.log(p)).sum(-1).mean()
    metrics = bottleneck(z_e).metrics
    assert metrics["posterior_entropy"] == pytest.approx(entropy, rel=1e-4)


def test_the_codebook_loss_and_its_gradient_follow_the_equation(
    make: Callable[..., Bottleneck],
) -> None:
    bottleneck = make(update="gradient", assign="soft", commitment=BETA, slices=2)
    z_e = torch.randn(3, 7, 8, requires_grad=True)
    out = bottleneck(z_e)
    out.loss.backward()
    z = slices_first(z_e, 2)
    weights = out.weights.flatten(0, 1).transpose(0, 1).double().numpy()
    codes = bottleneck.codebook.detach().double().numpy()
    difference = z - np.einsum("gnk,gkd->gnd", weights, codes)
    loss = (1 + BETA) * (difference**2).mean()
    assert out.loss.item() == pytest.approx(loss, rel=1e-5)
    assert z_e.grad is not None and bottleneck.codebook.grad is not None
    close(torch.from_numpy(slices_first(z_e.grad, 2)), 2 * BETA / z.size * difference)
    gradient = -2 / z.size * np.einsum("gnk,gnd->gkd", weights, difference)
    close(bottleneck.codebook.grad, gradient)
