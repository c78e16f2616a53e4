"""Owns the E-step: which codes a vector is assigned to, and with what weight.

Pure functions, all of them slice-first. The letters: G slices, N vectors, K codes per
slice, D code width, M samples. The equations are those of Roy et al., "Theory and
Experiments on Vector Quantized Autoencoders", https://arxiv.org/abs/1805.11063.
"""

import torch
from torch import Tensor

# Keeps -distance / temperature finite when all codes have fallen on one point.
_MIN_TEMPERATURE = 1e-20


def squared_distances(z: Tensor, codebook: Tensor) -> Tensor:
    """Computes ||z_i - e_j||^2 as ||z_i||^2 - 2 z_i . e_j + ||e_j||^2.

    One matrix product, so memory is O(N K) a slice and never O(N K D). Both sides are
    first moved to the codebook's mean: distances do not change, but what would cancel
    (a common offset of vectors and codes) no longer costs digits.

    Shape:
        z (G, N, D), codebook (G, K, D) -> (G, N, K).
    """
    centre = codebook.mean(dim=1, keepdim=True)  # (G, 1, D)
    z, e = z - centre, codebook - centre
    e_norms = e.square().sum(-1).unsqueeze(1)  # (G, 1, K)
    z_norms = z.square().sum(-1, keepdim=True)  # (G, N, 1)
    distances = torch.baddbmm(e_norms, z, e.transpose(1, 2), alpha=-2)
    return distances.add_(z_norms).clamp_(min=0)


def nearest_codes(distances: Tensor) -> Tensor:
    """Hard E-step: z_i = argmin_j ||z_i - e_j||^2.

    Shape:
        distances (G, N, K) -> (G, N) int64.
    """
    return distances.argmin(-1)


def second_nearest_distances(distances: Tensor) -> Tensor:
    """Squared distance from each vector to its second nearest code.

    It is the scale on which the posterior is neither hard nor uniform.

    Shape:
        distances (G, N, K) -> (G, N).
    """
    return distances.topk(2, dim=-1, largest=False).values[..., 1]


def posterior(distances: Tensor, temperature: Tensor) -> Tensor:
    """Computes p(j | z_i) = softmax_j(-||z_i - e_j||^2 / tau), the prior being uniform.

    Shape:
        distances (G, N, K), temperature (G,) -> (G, N, K).
    """
    temperature = temperature.clamp(min=_MIN_TEMPERATURE)[:, None, None]
    return torch.softmax(-distances / temperature, dim=-1)


def one_hot(codes: Tensor, num_codes: int) -> Tensor:
    """Weights of a hard assignment.

    Shape:
        codes (G, N) -> (G, N, K) float32.
    """
    weights = torch.zeros(*codes.shape, num_codes, device=codes.device)
    return weights.scatter_(-1, codes.unsqueeze(-1), 1.0)


def sample_codes(probabilities: Tensor, num_samples: int) -> Tensor:
    """Soft E-step: draws z_i^1 ... z_i^M from the posterior, with replacement.

    Shape:
        probabilities (G, N, K) -> (G, N, M) int64.
    """
    num_slices, num_vectors, num_codes = probabilities.shape
    if num_vectors == 0:
        return torch.zeros(
            num_slices, 0, num_samples, dtype=torch.long, device=probabilities.device
        )
    flat = probabilities.reshape(-1, num_codes)  # (G N, K)
    draws = torch.multinomial(flat, num_samples, replacement=True)
    return draws.view(num_slices, num_vectors, num_samples)


def average_one_hots(draws: Tensor, num_codes: int) -> Tensor:
    """Weights of a soft assignment: w_ij = (1/M) sum_l 1[z_i^l = j].

    Shape:
        draws (G, N, M) -> (G, N, K) float32, rows summing to 1.
    """
    weights = torch.zeros(*draws.shape[:-1], num_codes, device=draws.device)
    ones = torch.ones((), device=draws.device).expand_as(draws)
    return weights.scatter_add_(-1, draws, ones).div_(draws.shape[-1])


def soft_weights(probabilities: Tensor, num_samples: int) -> Tensor:
    """Monte-Carlo weights from M draws, or the posterior itself where M is 0.

    Shape:
        probabilities (G, N, K) -> (G, N, K).
    """
    if num_samples == 0:
        return probabilities
    draws = sample_codes(probabilities, num_samples)
    return average_one_hots(draws, probabilities.shape[-1])
