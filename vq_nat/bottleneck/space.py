"""Owns the space in which vectors and codes are compared.

By default it is that of the encoder's outputs. It may have fewer dimensions, between
learned projections, and its vectors may be of length 1, which turns squared distances
into 2 - 2 cosine. Both are due to Yu et al., "Vector-quantized Image Modeling with
Improved VQGAN", https://arxiv.org/abs/2110.04627, section 3.2. G slices, N vectors, C
width, D = C / G.
"""

from collections.abc import Callable

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


_PLACES: dict[str, Place] = {"euclidean": anywhere, "cosine": on_sphere}


class CodeSpace(nn.Module):
    """The way into the space of the codes, slice by slice, and out of it again.

    Attributes:
        code_width: dimensions of a slice in this space.
        place: moves vectors of this space to where the metric wants them.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__()
        self.num_slices = config.vq_slices
        slice_width = width // config.vq_slices
        self.code_width = config.vq_code_dim or slice_width
        self.place = _PLACES[config.vq_metric]
        self.project_in: nn.Module = nn.Identity()
        self.project_out: nn.Module = nn.Identity()
        if config.vq_code_dim > 0:
            sizes = slice_width, self.code_width
            self.project_in = SliceLinear(self.num_slices, *sizes)
            self.project_out = SliceLinear(self.num_slices, *sizes[::-1])

    def enter(self, z: Tensor) -> Tensor:
        """Takes encoder outputs in. Shape: (N, C) → (G, N, code width)."""
        return self.place(self.project_in(split_slices(z, self.num_slices)))

    def leave(self, vectors: Tensor) -> Tensor:
        """Turns mixes of codes into what the decoder sees.

        Shape:
            (G, N, code width) → (N, C).
        """
        return join_slices(self.project_out(vectors))
