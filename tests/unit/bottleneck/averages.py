"""What weights over codes stand for, for tests to compare with."""

import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck


def averaged(bottleneck: Bottleneck, weights: Tensor) -> Tensor:
    """Averages the vectors of the codes. Shape: (B, L, G, K) → (B, L, C)."""
    parts = torch.einsum("blgk,gkd->blgd", weights, bottleneck.codebook)
    return parts.sum(-2) if bottleneck.adds_slices else parts.flatten(-2)
