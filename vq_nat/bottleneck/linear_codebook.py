"""Owns the codebook of SimVQ: fixed codes, all of them moved by one linear layer.

Zhu et al., "Addressing Representation Collapse in Vector Quantized Models with One
Linear Layer", https://arxiv.org/abs/2411.02038, section 4. A codebook loss that moves
single codes leaves those behind that no vector chooses; one layer moves all. G slices,
K codes, D code width.
"""

import math

import torch
from torch import Tensor, nn

from .codebook import Codebook, random_codes
from .config import BottleneckConfig
from .slices import look_up, split_slices
from .space import Place


class LinearCodebook(Codebook):
    """Codes e = c W: c are random and stay, W is learned through the codebook loss.

    Attributes:
        points: c. Shape: (G, K, D).
        basis: W. Shape: (G, D, D).
    """

    is_learned = True
    points: Tensor

    def __init__(self, config: BottleneckConfig, code_width: int) -> None:
        super().__init__(config, code_width)
        bound = 1 / math.sqrt(code_width)
        basis = torch.empty(
            config.vq_slices, code_width, code_width, dtype=torch.float32
        )
        self.basis = nn.Parameter(basis.uniform_(-bound, bound))
        self.register_buffer("points", random_codes(config, code_width))

    @property
    def codes(self) -> Tensor:  # type: ignore[override]
        """The code vectors. Shape: (G, K, D)."""
        return self.points @ self.basis

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors of codes, without all others. Shape: (N, G) → (G, N, D)."""
        return split_slices(look_up(self.points, codes), self.num_slices) @ self.basis

    def init_from_(self, vectors: Tensor, rate: float, seed: int, place: Place) -> None:
        """Makes the codes the centres of clusters, and W the identity."""
        self.basis.data.copy_(torch.eye(self.code_width))
        super().init_from_(vectors, rate, seed, place)

    def write_(self, index: int, which: Tensor, codes: Tensor) -> None:
        """Overwrites codes of slice `index`, while W is the identity.

        Shape:
            which (n,), codes (n, D).
        """
        self.points[index, which] = codes

    def move_(self) -> None:
        """Leaves W to the optimizer."""
