"""Owns the figures that tell a healthy codebook from a dying one.

Each is a 0-dim tensor, a mean over slices; `as_floats` copies many to the CPU at once.
"""

import torch
from torch import Tensor

# Long enough for many batches, short enough to show a collapse soon.
_RECENT_UPDATES = 100


def perplexity(counts: Tensor) -> Tensor:
    """exp(entropy) of how often each code is used: K if all alike, 1 after collapse.

    Shape:
        counts (G, K) → ().
    """
    totals = counts.sum(-1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)
    return torch.special.entr(counts / totals).sum(-1).exp().mean()


def used_share(counts: Tensor) -> Tensor:
    """Share of the codes that were used at all.

    Shape:
        counts (G, K) → ().
    """
    return (counts > 0).float().mean()


def recent_share(idle: Tensor, updates: Tensor) -> Tensor:
    """Share of the codes used in the last 100 updates, or in all if there were fewer.

    Shape:
        idle (G, K), updates since the last use; updates () so far → ().
    """
    return 1 - dead_share(idle, updates.clamp(1, _RECENT_UPDATES))


def dead_share(idle: Tensor, window: float | Tensor) -> Tensor:
    """Share of the codes that no vector has chosen for `window` updates or longer.

    Shape:
        idle (G, K), updates since the last use → ().
    """
    return (idle >= window).float().mean()


def quantization_error(z: Tensor, quantized: Tensor) -> Tensor:
    """Mean over vectors of ||z_e - z_q||^2.

    Shape:
        z (G, N, D), quantized (G, N, D) → ().
    """
    return (z - quantized).square().sum() / max(1, z.shape[1])


def as_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Reads 0-dim tensors by one copy to the CPU."""
    values = torch.stack([value.detach() for value in metrics.values()]).tolist()
    return dict(zip(metrics, values))
