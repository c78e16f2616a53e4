"""Owns what a predictor of codes has to say in the E-step, and what its word costs.

Up to a constant the posterior of a code is p(j) p(z_e | j). The paper takes p(j) as
uniform. With the predictor's conditional probabilities, weighted by lambda,

    q(j) ~ exp(-||z_e - e_j||^2 / tau + lambda log p(j | codes before, source)),

so that of two codes that are alike near the one is taken that can be predicted. The
same as a gradient is the rate R = -E_q log p with q = softmax(-||z_e - e_j||^2 / tau),
which moves z_e towards codes that can be predicted (rate-distortion: Balle et al. 2017,
arXiv 1611.01704, section 2). There is no gradient through p in either.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .assign import posterior, squared_distances

IMPOSSIBLE = -1e4  # what log 0 counts as: 0 times -inf is no number


class Prior(NamedTuple):
    """What is known of the codes of a batch before the vectors are seen."""

    log_probs: Tensor
    """(B, L, G, K), or slice-first (G, N, K), float32, without gradient."""

    weight: float = 0.0
    """lambda of the E-step."""

    rate: float = 0.0
    """Weight of the rate in the loss."""


def slice_first(prior: Prior, mask: Tensor | None) -> Prior:
    """Takes the real positions: log_probs (B, L, G, K) → (G, N, K)."""
    rows = prior.log_probs.detach().float().clamp(min=IMPOSSIBLE)
    rows = rows.flatten(0, 1) if mask is None else rows[mask]
    return prior._replace(log_probs=rows.transpose(0, 1))


def rate(z: Tensor, codes: Tensor, temperature: Tensor, log_probs: Tensor) -> Tensor:
    """The mean rate R of the vectors, in nats, with a gradient to them alone.

    Shape:
        z (G, N, D), codes (G, K, D), temperature (G,), log_probs (G, N, K) → scalar.
    """
    parts, end = [], 0
    for distances in squared_distances(z, codes.detach()):
        rows = slice(end, end := end + distances.shape[1])
        q = posterior(distances, temperature)
        parts.append(-(q * log_probs[:, rows]).sum())
    return torch.stack(parts).sum() / max(1, z.shape[0] * z.shape[1])
