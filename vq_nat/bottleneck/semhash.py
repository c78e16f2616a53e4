"""Owns improved semantic hashing: a code is a row of bits, learned by gradient.

See Kaiser & Bengio, "Discrete Autoencoders for Sequence Models",
https://arxiv.org/abs/1801.09797, section 2.1.
"""

import math

import torch
from torch import Tensor

from .assign import one_hot
from .base import BottleneckOutput, straight_through
from .config import BottleneckConfig, require_power_of_two
from .learned import LearnedBottleneck
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, split_slices


def saturating_sigmoid(x: Tensor) -> Tensor:
    """Computes max(0, min(1, 1.2 sigma(x) - 0.1)), which does reach 0 and 1."""
    return (1.2 * torch.sigmoid(x) - 0.1).clamp(0, 1)


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


@register_bottleneck("semhash")
class SemanticHashing(LearnedBottleneck):
    """A code of log2 K bits, each the sign of a linear function of z_e.

    In training v = W z_e + Gaussian noise. Gradients always go through
    v1 = saturating_sigmoid(v); forward, half of the vectors show the decoder v1 and
    half the bits v2 = 1[v > 0]. In evaluation there is no noise, and all show the bits.
    What the decoder sees is linear in the bits: log2 K vectors span the codebook.

    There is no loss and no M-step. `weights` are the bits drawn with the noise, and
    `codes` the most probable ones, without it.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.num_bits = int(math.log2(config.vq_num_codes))
        self.to_bits = SliceLinear(self.num_slices, self.code_width, self.num_bits)
        self.from_bits = SliceLinear(self.num_slices, self.num_bits, self.code_width)

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses a number of codes that no row of bits has."""
        require_power_of_two(config)

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Hashes N vectors.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        clean = self.to_bits(split_slices(z, self.num_slices))  # (G, N, log2 K)
        self.check_finite(clean)
        noisy = clean + torch.randn_like(clean) if self.training else clean
        drawn = bits_to_codes(noisy > 0)  # (G, N)
        weights = one_hot(drawn, self.num_codes).transpose(0, 1)
        return BottleneckOutput(
            quantized=self._show(self._bits(noisy)),
            codes=bits_to_codes(clean > 0).t(),
            weights=weights,
            loss=z.new_zeros(()),
            metrics=self._metrics(clean.detach(), weights.sum(0)),
        )

    @property
    def codebook(self) -> Tensor:
        """The vectors of all K bit patterns. Shape: (G, K, D), float32."""
        weight = self.from_bits.weight
        codes = torch.arange(self.num_codes, device=weight.device)
        bits = codes_to_bits(codes, self.num_bits)  # (K, log2 K)
        with torch.autocast(weight.device.type, enabled=False):
            return self.from_bits((2 * bits - 1).expand(self.num_slices, -1, -1))

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into what the decoder sees, by way of their bits.

        Shape:
            codes (B, L, G) → (B, L, C).
        """
        bits = codes_to_bits(codes.flatten(0, 1).t(), self.num_bits)  # (G, N, log2 K)
        with torch.autocast(codes.device.type, enabled=False):
            return self._show(bits).view(*codes.shape[:2], self.width)

    def _bits(self, v: Tensor) -> Tensor:
        """v1 or v2, with the gradient of v1. Shape: (G, N, log2 K), kept."""
        soft = saturating_sigmoid(v)
        hard = straight_through(soft, (v > 0).float())
        if not self.training:
            return hard
        show_soft = torch.rand(v.shape[1], 1, device=v.device) < 0.5
        return torch.where(show_soft, soft, hard)

    def _show(self, bits: Tensor) -> Tensor:
        """What the decoder sees. Shape: (G, N, log2 K) → (N, C)."""
        return join_slices(self.from_bits(2 * bits - 1))

    @torch.no_grad()
    def _metrics(self, clean: Tensor, counts: Tensor) -> dict[str, float]:
        """Figures for the log. Shape: clean (G, N, log2 K), counts (G, K)."""
        ones = torch.special.ndtr(clean)  # P(v + noise > 0)
        entropies = torch.special.entr(ones) + torch.special.entr(1 - ones)
        num_rows = max(1, clean.shape[0] * clean.shape[1])
        return self.figures(counts, posterior_entropy=entropies.sum() / num_rows)
