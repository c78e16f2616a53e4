"""Owns noise on codes: the decoder learns to live with codes that are nearly right.

In decoding codes are predicted, and some of them wrong. A share of the codes that the
decoder sees in training is replaced by one of the nearest to the same vector (as
RobusTok does for images, arXiv 2509.12474, section 3).
"""

import torch
from torch import Tensor

from .assign import squared_distances
from .slices import look_up


def replace_some(
    z: Tensor, quantized: Tensor, codes: Tensor, share: float, nearest: int
) -> Tensor:
    """Replaces some quantized vectors by one of the codes nearest to their vector.

    Args:
        z: vectors. Shape: (G, N, D).
        quantized: what they became. Shape: (G, N, D).
        codes: codes. Shape: (G, K, D).
        share: of the vectors that are replaced, in all slices.
        nearest: from how many codes one is drawn.
    """
    chosen = (torch.rand(z.shape[1], device=z.device) < share).nonzero().squeeze(1)
    if not len(chosen):
        return quantized
    nearest = min(nearest, codes.shape[1])
    parts = squared_distances(z[:, chosen], codes)
    neighbours = [part.topk(nearest, dim=-1, largest=False).indices for part in parts]
    candidates = torch.cat(neighbours, dim=1)  # (G, n, nearest)
    draws = torch.randint(nearest, candidates.shape[:2], device=z.device)
    drawn = candidates.gather(-1, draws.unsqueeze(-1)).squeeze(-1)  # (G, n)
    vectors = look_up(codes, drawn.t()).view(len(chosen), len(codes), -1)
    return quantized.index_copy(1, chosen, vectors.transpose(0, 1))
