"""Owns the figures that tell a healthy codebook from a dying one.

Each is a 0-dim tensor, a mean over slices; `as_floats` copies many to the host at once.
"""

import torch
from torch import Tensor


def perplexity(counts: Tensor) -> Tensor:
    """exp(entropy) of how often each code is used: K if all alike, 1 after collapse.

    Shape:
        counts (G, K) -> ().
    """
    totals = counts.sum(-1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)
    return torch.special.entr(counts / totals).sum(-1).exp().mean()


def used_share(counts: Tensor) -> Tensor:
    """Share of the codes that were used at all.

    Shape:
        counts (G, K) -> ().
    """
    return (counts > 0).float().mean()


def dead_share(idle: Tensor, window: float) -> Tensor:
    """Share of the codes that no vector has chosen for `window` updates or longer.

    Shape:
        idle (G, K), updates since the last use -> ().
    """
    return (idle >= window).float().mean()


def posterior_entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy of p(j | z_i) in nats: 0 if de facto hard, log K if uniform.

    Shape:
        probabilities (G, N, K) -> ().
    """
    num_rows = max(1, probabilities.shape[0] * probabilities.shape[1])
    return torch.special.entr(probabilities).sum() / num_rows


def quantization_error(z: Tensor, quantized: Tensor) -> Tensor:
    """Mean over vectors of ||z_e - z_q||^2.

    Shape:
        z (N, C), quantized (N, C) -> ().
    """
    return (z - quantized).square().sum() / max(1, len(z))


def as_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Reads 0-dim tensors by one copy to the host."""
    values = torch.stack([value.detach() for value in metrics.values()]).tolist()
    return dict(zip(metrics, values))
