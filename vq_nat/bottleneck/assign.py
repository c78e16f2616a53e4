"""Owns the E-step: which codes a vector is assigned to, and with what weight.

Pure functions, all of them slice-first. The letters: G slices, N vectors, K codes per
slice, D code width, M samples. The equations are those of Roy et al., "Theory and
Experiments on Vector Quantized Autoencoders", https://arxiv.org/abs/1805.11063.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .weights import Draws, Expectation, Weights

# Keeps -distance / temperature finite when all codes have fallen on one point.
_MIN_TEMPERATURE = 1e-20
# Distances held at once. A CPU's cache has no room for more, and a GPU wants more work
# at a time; neither should take the memory of all.
_MAX_DISTANCES = 2**20
_MAX_DISTANCES_GPU = 2**24
# Vectors of a batch on which its posterior's entropy is measured.
_ENTROPY_VECTORS = 1024


class Assignment(NamedTuple):
    """What the E-step finds out about N vectors, slice by slice."""

    codes: Tensor
    """(G, N) int64, the most probable codes."""

    distances: Tensor
    """(G, N), squared, to the nearest codes, which with a prior may be others."""

    second_distances: Tensor
    """(G, N), squared, to the second nearest codes."""

    weights: Weights
    """Of the vectors on the codes."""

    entropy: Tensor
    """Scalar: mean entropy of the posterior in nats."""


def squared_distances(z: Tensor, codebook: Tensor) -> Iterator[Tensor]:
    """Computes ||z_i - e_j||^2 as ||z_i||^2 - 2 z_i . e_j + ||e_j||^2, in parts.

    A part is one matrix product and holds the distances of some of the vectors: memory
    is O(n K), and never O(N K D). Vectors and codes are first moved to the codebook's
    mean: distances do not change, but what would cancel (a common offset) no longer
    costs digits.

    Shape:
        z (G, N, D), codebook (G, K, D) → several (G, n, K), the n adding up to N.
    """
    centre = codebook.mean(dim=1, keepdim=True)  # (G, 1, D)
    z, e = z - centre, codebook - centre
    e_norms = e.square().sum(-1).unsqueeze(1)  # (G, 1, K)
    most = _MAX_DISTANCES if z.device.type == "cpu" else _MAX_DISTANCES_GPU
    for part in z.split(max(1, most // e_norms.numel()), dim=1):
        norms = part.square().sum(-1, keepdim=True)  # (G, n, 1)
        distances = torch.baddbmm(e_norms, part, e.transpose(1, 2), alpha=-2)
        yield distances.add_(norms).clamp_(min=0)


def nearest_codes(distances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the nearest code, its distance, and that of the second nearest.

    The last is the scale on which the posterior is neither hard nor uniform.

    Shape:
        distances (G, N, K) → three of (G, N), the first int64.
    """
    first = distances.min(-1, keepdim=True)
    distances.scatter_(-1, first.indices, math.inf)
    second = distances.amin(-1)
    distances.scatter_(-1, first.indices, first.values)  # as it was
    return first.indices.squeeze(-1), first.values.squeeze(-1), second


def second_nearest_distances(z: Tensor, codebook: Tensor) -> Tensor:
    """Squared distance from each vector to its second nearest code.

    Shape:
        z (G, N, D), codebook (G, K, D) → (G, N).
    """
    parts = squared_distances(z, codebook)
    return torch.cat([nearest_codes(part)[2] for part in parts], dim=1)


def posterior(distances: Tensor, temperature: Tensor) -> Tensor:
    """Computes p(j | z_i) = softmax_j(-||z_i - e_j||^2 / tau), the prior being uniform.

    Shape:
        distances (G, N, K), temperature (G,) → (G, N, K).
    """
    return torch.softmax(_logits(distances, temperature), dim=-1)


def posterior_entropies(distances: Tensor, temperature: Tensor) -> Tensor:
    """Computes -sum_j p(j | z_i) log p(j | z_i): 0 if de facto hard, log K if uniform.

    Shape:
        distances (G, N, K), temperature (G,) → (G, N).
    """
    log_p = torch.log_softmax(_logits(distances, temperature), dim=-1)
    return -(log_p.exp() * log_p).sum(-1)


def _logits(distances: Tensor, temperature: Tensor) -> Tensor:
    return distances / -scale_of(temperature)


def scale_of(temperature: Tensor) -> Tensor:
    """What distances are divided by. Shape: (G,) → (G, 1, 1)."""
    return temperature.clamp(min=_MIN_TEMPERATURE)[:, None, None]


def sample_codes(probabilities: Tensor, num_samples: int) -> Tensor:
    """Soft E-step: draws z_i^1 ... z_i^M from the posterior, with replacement.

    Shape:
        probabilities (G, N, K) → (G, N, M) int64.
    """
    sums = probabilities.cumsum(-1)
    points = torch.rand(*sums.shape[:2], num_samples, device=sums.device)
    draws = torch.searchsorted(sums, points * sums[..., -1:], right=True)
    # Rounding may put a point behind the last sum.
    return draws.clamp_(max=sums.shape[-1] - 1)


def e_step(
    z: Tensor,
    codebook: Tensor,
    temperature: Tensor,
    num_samples: int | None,
    prior: Tensor | None = None,
) -> Assignment:
    """Assigns vectors to codes.

    The entropy is that of at most some thousand vectors, evenly spread.

    Args:
        z: vectors. Shape: (G, N, D).
        codebook: codes. Shape: (G, K, D).
        temperature: tau of the posterior. Shape: (G,).
        num_samples: M; 0 for the exact expectation, None for the nearest code alone.
        prior: what is added to the posterior's logits, lambda log p; None = nothing.
            Shape: (G, N, K).
    """
    (num_slices, num_vectors, _), num_codes = z.shape, codebook.shape[1]
    exact = num_samples == 0
    size = num_codes if exact else num_samples or 1
    # Room for all results first: small ones kept between large parts would keep the
    # memory of the parts from being used again.
    first, second = z.new_empty(2, num_slices, num_vectors)
    codes = torch.empty_like(first, dtype=torch.long)
    weights = z.new_empty(num_slices, num_vectors, size)
    weights = weights if exact else weights.long()
    stride = max(1, -(-num_vectors // _ENTROPY_VECTORS))
    entropy, measured, end = z.new_zeros(()), 0, 0
    for part in squared_distances(z, codebook):
        rows = slice(end, end := end + part.shape[1])
        codes[:, rows], first[:, rows], second[:, rows] = nearest_codes(part)
        if prior is not None:  # as if the unlikely codes were further away
            part = part - prior[:, rows] * scale_of(temperature)
            codes[:, rows] = part.argmin(-1)
        entropies = posterior_entropies(part[:, ::stride], temperature)
        entropy, measured = entropy + entropies.sum(), measured + entropies.numel()
        weights[:, rows] = _choose(part, codes[:, rows], temperature, num_samples)
    return Assignment(
        codes,
        first,
        second,
        Expectation(weights, codes) if exact else Draws(weights, num_codes),
        entropy / max(1, measured),
    )


def _choose(
    distances: Tensor, nearest: Tensor, temperature: Tensor, num_samples: int | None
) -> Tensor:
    """Draws codes, the nearest or by the posterior, or returns the posterior itself.

    Shape:
        distances (G, N, K), nearest (G, N) → (G, N, M), or (G, N, K) if M is 0.
    """
    if num_samples is None:
        return nearest.unsqueeze(-1)
    probabilities = posterior(distances, temperature)
    return sample_codes(probabilities, num_samples) if num_samples else probabilities


def one_hot(codes: Tensor, num_codes: int) -> Tensor:
    """Weights of a hard assignment.

    Shape:
        codes (G, N) → (G, N, K) float32.
    """
    weights = torch.zeros(
        *codes.shape, num_codes, dtype=torch.float32, device=codes.device
    )
    return weights.scatter_(-1, codes.unsqueeze(-1), 1.0)
