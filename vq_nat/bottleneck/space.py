"""Owns the space in which vectors and codes are compared.

By default it is that of the encoder's outputs. It may have fewer dimensions, between
learned projections, and its vectors may be of length 1, which turns squared distances
into 2 - 2 cosine. Both are due to Yu et al., "Vector-quantized Image Modeling with
Improved VQGAN", https://arxiv.org/abs/2110.04627, section 3.2. Slices cut the width,
or all have the whole of it and add up (see `residual.py`). G slices, N vectors, C
width, D = C / G.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import BottleneckConfig
from .slices import SliceLinear, join_slices, split_slices

Place = Callable[[Tensor], Tensor]


def anywhere(vectors: Tensor) -> Tensor:
    """Leaves vectors where they are."""
    return vectors


def on_sphere(vectors: Tensor) -> Tensor:
    """Gives vectors, in the last dimension, the length 1."""
    return F.normalize(vectors, dim=-1)


PLACES: dict[str, Place] = {"euclidean": anywhere, "cosine": on_sphere}


class CodeSpace(nn.Module):
    """The way into the space of the codes, part by part, and out of it again.

    Attributes:
        num_parts: parts P of a vector: the slices, or 1 if they add up.
        code_width: dimensions of a code in this space.
        place: moves vectors of this space to where the metric wants them.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__()
        self.num_parts = 1 if config.adds_slices else config.vq_slices
        part_width = width // self.num_parts
        self.code_width = config.vq_code_dim or part_width
        self.place = PLACES[config.vq_metric]
        self.project_in: nn.Module = nn.Identity()
        self.project_out: nn.Module = nn.Identity()
        if config.vq_code_dim > 0:
            parts, inside = self.num_parts, self.code_width
            self.project_in = SliceLinear(parts, inputs=part_width, outputs=inside)
            self.project_out = SliceLinear(parts, inputs=inside, outputs=part_width)

    def enter(self, z: Tensor) -> Tensor:
        """Takes encoder outputs in. Shape: (N, C) → (P, N, code width)."""
        return self.place(self.project_in(split_slices(z, self.num_parts)))

    def merge(self, codes: Tensor) -> Tensor:
        """Adds up slices, where they add up. Shape: (G, N, D) → (P, N, D)."""
        return codes if len(codes) == self.num_parts else codes.sum(0, keepdim=True)

    def leave(self, vectors: Tensor) -> Tensor:
        """Turns mixes of codes into what the decoder sees.

        Shape:
            (P, N, code width) → (N, C).
        """
        return join_slices(self.project_out(vectors))

    def show(self, codes: Tensor) -> Tensor:
        """What the decoder sees of each code. Shape: (G, K, D) → (G, K, C / P).

        Of slices that add up the first has the bias of the projection.
        """
        if len(codes) == self.num_parts:
            return self.project_out(codes)
        shown = self.project_out(codes.flatten(0, 1).unsqueeze(0))
        shown = shown.view(*codes.shape[:2], -1)
        nothing = self.project_out(codes.new_zeros(1, 1, codes.shape[-1]))
        return torch.cat([shown[:1], shown[1:] - nothing])
