"""Owns improved semantic hashing: a code is a row of bits, learned by gradient.

See Kaiser & Bengio, "Discrete Autoencoders for Sequence Models",
https://arxiv.org/abs/1801.09797, section 2.1.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .assign import one_hot
from .base import BottleneckOutput
from .bits import BitBottleneck, bits_to_codes
from .config import BottleneckConfig
from .gradients import straight_through
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, split_slices


def saturating_sigmoid(x: Tensor) -> Tensor:
    """Computes max(0, min(1, 1.2 sigma(x) - 0.1)), which does reach 0 and 1."""
    return (1.2 * torch.sigmoid(x) - 0.1).clamp(0, 1)


class BitsToVector(nn.Module):
    """The authors' way from bits b to a vector: W3 relu(W2 relu(W1 b)).

    Their first layer is a sum over b and 1 - b, which is one linear function of b.

    Args:
        num_slices: G.
        bits: log2 K.
        hidden: width of both hidden layers.
        width: D.
    """

    def __init__(self, num_slices: int, *, bits: int, hidden: int, width: int) -> None:
        super().__init__()
        self.first = SliceLinear(num_slices, inputs=bits, outputs=hidden)
        self.second = SliceLinear(num_slices, inputs=hidden, outputs=hidden)
        self.last = SliceLinear(num_slices, inputs=hidden, outputs=width)

    def forward(self, bits: Tensor) -> Tensor:
        """Maps each slice. Shape: (G, N, log2 K) → (G, N, D)."""
        return self.last(self.second(self.first(bits).relu()).relu())

    @torch.no_grad()
    def linear_(self, weight: Tensor, bias: Tensor) -> None:
        """Becomes what older checkpoints have: W (2 b - 1) + c, for bits from 0 to 1.

        Both relus leave bits as they are, so the layers may hand them on.

        Shape:
            weight (G, log2 K, D), bias (G, 1, D).
        """
        bits = weight.shape[1]
        for layer in (self.first, self.second):
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[:, :bits, :bits] = torch.eye(bits)
        self.last.weight.zero_()
        self.last.weight[:, :bits] = 2 * weight
        self.last.bias.copy_(bias - weight.sum(1, keepdim=True))


@register_bottleneck("semhash")
class SemanticHashing(BitBottleneck):
    """A code of log2 K bits, each the sign of a linear function of z_e.

    In training v = W z_e + Gaussian noise of deviation `vq_bit_noise`. Gradients always
    go through v1 = saturating_sigmoid(v); forward, half of the vectors show the decoder
    v1 and half the bits v2 = 1[v > 0]. That half is reached step by step in the first
    `vq_warmup_updates`, as in the authors' code. In evaluation there is no noise, and
    all show the bits.
    Two hidden layers of `vq_hidden` lead from the bits to what the decoder sees, as in
    section 2.1 and the authors' code; `vq_hidden` 0 is their width, four times that of
    the slice.

    There is no loss and no M-step. `weights` are the bits drawn with the noise, and
    `codes` the most probable ones, without it.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        hidden = config.vq_hidden or max(4 * self.code_width, self.num_bits)
        self.to_bits = SliceLinear(
            self.num_slices, inputs=self.code_width, outputs=self.num_bits
        )
        self.from_bits = BitsToVector(
            self.num_slices, bits=self.num_bits, hidden=hidden, width=self.code_width
        )

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Hashes N vectors.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        clean = self.to_bits(split_slices(z, self.num_slices))  # (G, N, log2 K)
        self.check_finite(clean)
        noisy = clean + self._noise(clean) if self.training else clean
        drawn = bits_to_codes(noisy > 0)  # (G, N)
        weights = one_hot(drawn, self.num_codes).transpose(0, 1)
        return BottleneckOutput(
            quantized=join_slices(self.show_bits(self._bits(noisy))),
            codes=bits_to_codes(clean > 0).t(),
            weights=weights,
            loss=z.new_zeros(()),
            metrics=self._metrics(clean.detach(), weights.sum(0)),
        )

    def show_bits(self, bits: Tensor) -> Tensor:
        """Turns bits into what the decoder sees. Shape: (G, N, log2 K) → (G, N, D)."""
        return self.from_bits(bits)

    @property
    def share_of_bits(self) -> float:
        """Share of the vectors that show their bits in training, now."""
        done = (self.num_updates + 1) / max(1, self.config.vq_warmup_updates)
        return 0.5 * min(1.0, done)

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        return f"{super().extra_repr()}, hidden={self.from_bits.first.bias.shape[-1]}"

    def _noise(self, like: Tensor) -> Tensor:
        return self.config.vq_bit_noise * torch.randn_like(like)

    def _bits(self, v: Tensor) -> Tensor:
        """v1 or v2, with the gradient of v1. Shape: (G, N, log2 K), kept."""
        soft = saturating_sigmoid(v)
        hard = straight_through(soft, (v > 0).float())
        if not self.training:
            return hard
        show_hard = torch.rand(v.shape[1], 1, device=v.device) < self.share_of_bits
        return torch.where(show_hard, hard, soft)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Takes checkpoints too whose bits are turned into vectors linearly."""
        weight = state_dict.pop(f"{prefix}from_bits.weight", None)
        if weight is not None:
            bias = state_dict.pop(f"{prefix}from_bits.bias")
            self.from_bits.linear_(weight, bias)
            for name, value in self.from_bits.state_dict().items():
                state_dict[f"{prefix}from_bits.{name}"] = value
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @torch.no_grad()
    def _metrics(self, clean: Tensor, counts: Tensor) -> dict[str, float]:
        """Figures for the log. Shape: clean (G, N, log2 K), counts (G, K)."""
        deviation = max(self.config.vq_bit_noise, torch.finfo(clean.dtype).tiny)
        ones = torch.special.ndtr(clean / deviation)  # P(v + noise > 0)
        entropies = torch.special.entr(ones) + torch.special.entr(1 - ones)
        num_rows = max(1, clean.shape[0] * clean.shape[1])
        return self.figures(counts, posterior_entropy=entropies.sum() / num_rows)
