"""Owns codes that are rows of bits: numbers to bits and back, and what follows.

G slices, N vectors, K codes, log2 K bits a code, C width.
"""

import math

import torch
from torch import Tensor

from .config import BottleneckConfig
from .learned import LearnedBottleneck
from .slices import join_slices
from .validity import require


def bits_to_codes(bits: Tensor) -> Tensor:
    """Reads bits as numbers, the lowest bit first.

    Shape:
        bits (..., log2 K), 0 or 1 → (...) int64.
    """
    return (bits.long() << torch.arange(bits.shape[-1], device=bits.device)).sum(-1)


def codes_to_bits(codes: Tensor, num_bits: int) -> Tensor:
    """Writes numbers as bits, the lowest bit first.

    Shape:
        codes (...) → (..., log2 K) float32, 0 or 1.
    """
    places = torch.arange(num_bits, device=codes.device)
    return ((codes.unsqueeze(-1) >> places) & 1).float()


class BitBottleneck(LearnedBottleneck):
    """A member whose codes are rows of bits, which a layer turns into vectors."""

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.num_bits = int(math.log2(config.vq_num_codes))

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses a number of codes that no row of bits has."""
        require(
            config.vq_num_codes & (config.vq_num_codes - 1) == 0,
            f"`vq_num_codes` must be a power of two with `vq_kind` {config.vq_kind!r}",
            config.vq_num_codes,
        )

    def show_bits(self, bits: Tensor) -> Tensor:
        """Turns bits, 0, 1 or between, into what the decoder sees.

        Shape:
            (G, N, log2 K) → (G, N, D).
        """
        raise NotImplementedError

    @property
    def codebook(self) -> Tensor:
        """The vectors of all K bit patterns. Shape: (G, K, D), float32."""
        codes = torch.arange(self.num_codes, device=self.use.idle.device)
        bits = codes_to_bits(codes, self.num_bits)  # (K, log2 K)
        with torch.autocast(codes.device.type, enabled=False):
            return self.show_bits(bits.expand(self.num_slices, -1, -1))

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into what the decoder sees, by way of their bits.

        Shape:
            codes (B, L, G) → (B, L, C).
        """
        self.check_codes(codes)
        bits = codes_to_bits(codes.flatten(0, 1).t(), self.num_bits)  # (G, N, log2 K)
        with torch.autocast(codes.device.type, enabled=False):
            shown = join_slices(self.show_bits(bits))
        return shown.view(*codes.shape[:2], self.width)
