"""Owns residual quantization: each slice quantizes what the ones before have left.

r_1 = z,  r_{g+1} = r_g - q_g(r_g),  z_q = q_1 + ... + q_G. Zeghidour et al.,
"SoundStream", https://arxiv.org/abs/2107.03312, algorithm 1; Lee et al.,
"Autoregressive Image Generation using Residual Quantization",
https://arxiv.org/abs/2203.01941, section 3.1. G slices, N vectors, K codes, D width.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .assign import Assignment
from .data_init import cluster, nearest
from .weights import join

# From what a slice sees (1, N, D), and its number, to its codes.
EStep = Callable[[Tensor, int], Assignment]


def assign_in_turn(
    z: Tensor, codes: Tensor, e_step: EStep
) -> tuple[Tensor, Assignment]:
    """Assigns the slices one after the other.

    The residuals have the gradient of z: what a slice takes away is a constant.

    Shape:
        z (1, N, D), codes (G, K, D) → residuals (G, N, D), and their assignments.
    """
    residuals, assignments = [z], []
    for index in range(len(codes)):
        assignments.append(e_step(residuals[-1].detach(), index))
        taken = assignments[-1].weights.mix(codes[index : index + 1].detach())
        residuals.append(residuals[-1] - taken)
    return torch.cat(residuals[:-1]), joined(assignments)


def joined(assignments: list[Assignment]) -> Assignment:
    """Joins the assignments of several slices, one of each."""
    return Assignment(
        codes=torch.cat([one.codes for one in assignments]),
        distances=torch.cat([one.distances for one in assignments]),
        second_distances=torch.cat([one.second_distances for one in assignments]),
        weights=join([one.weights for one in assignments]),
        entropy=torch.stack([one.entropy for one in assignments]).mean(),
    )


def cluster_in_turn(
    z: Tensor, num_slices: int, *, num_codes: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Clusters what the slices before have left: the first codebooks.

    Shape:
        z (N, D), N at least K → codes (G, K, D) and counts (G, K).
    """
    codes, counts = [], []
    for index in range(num_slices):
        of_slice, sizes = cluster(z.unsqueeze(0), num_codes, seed=seed + index)
        z = z - of_slice[0][nearest(z, of_slice[0])[1]]
        codes.append(of_slice)
        counts.append(sizes)
    return torch.cat(codes), torch.cat(counts)
