"""Owns product quantization: vectors are cut into slices, each with its own codebook.

With one slice this is plain quantization. G slices, N vectors, C width, D = C / G.
"""

import math

import torch
from torch import Tensor, nn


def split_slices(z: Tensor, num_slices: int) -> Tensor:
    """Cuts vectors into slices. Shape: (N, C) → (G, N, D)."""
    return z.view(len(z), num_slices, z.shape[-1] // num_slices).transpose(0, 1)


def join_slices(z: Tensor) -> Tensor:
    """Puts the slices of vectors together again. Shape: (G, N, D) → (N, C)."""
    return z.transpose(0, 1).flatten(1)


def look_up(codebook: Tensor, codes: Tensor) -> Tensor:
    """Concatenates the code vectors of the slices, by one gather.

    Shape:
        codebook (G, K, D), codes (..., G) → (..., C).
    """
    num_slices, num_codes, _ = codebook.shape
    offsets = torch.arange(num_slices, device=codes.device) * num_codes  # (G,)
    table = codebook.flatten(0, 1)  # (G K, D)
    return nn.functional.embedding(codes + offsets, table).flatten(-2)


class SliceLinear(nn.Module):
    """One linear layer per slice, all of them in one matrix product."""

    def __init__(self, num_slices: int, *, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        weight = torch.empty(num_slices, inputs, outputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(num_slices, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps each slice. Shape: (G, N, inputs) → (G, N, outputs)."""
        return torch.baddbmm(self.bias, x, self.weight)

    def extra_repr(self) -> str:
        """The sizes on one line."""
        num_slices, inputs, outputs = self.weight.shape
        return f"slices={num_slices}, inputs={inputs}, outputs={outputs}"
