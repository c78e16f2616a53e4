"""Owns finite scalar quantization: rounding, and no codebook to be learned.

See Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple",
https://arxiv.org/abs/2309.15505. With `vq_squash` "sigmoid" it is iFSQ, which spreads
a Gaussian number evenly between the outermost levels: Lin et al., "iFSQ: Improving
FSQ for Image Generation with 1 Line of Code", https://arxiv.org/abs/2601.17124. G
slices, N vectors, d numbers a vector, C width.
"""

import math

import torch
from torch import Tensor

from . import usage
from .assign import one_hot
from .base import BottleneckOutput
from .config import BottleneckConfig
from .gradients import straight_through
from .learned import LearnedBottleneck
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, split_slices
from .validity import parse_levels, require

# Makes the outermost levels a little easier to reach.
_SLACK = 1e-3


# How much numbers are scaled before the tanh: iFSQ's 2 sigma(1.6 x) - 1 = tanh(0.8 x).
SQUASHES = {"tanh": 1.0, "sigmoid": 0.8}


def bound(x: Tensor, levels: Tensor, scale: float = 1.0) -> Tensor:
    """Squashes numbers so that rounding them gives as many values as there are levels.

    An odd number of levels lies evenly around 0, an even one reaches from -L/2 to
    L/2 - 1; either way 0 stays 0. Section 3.1 and appendix A.1 of the paper. `scale` is
    that of `x`, one of `SQUASHES`.

    Shape:
        x (..., d), levels (d,) → (..., d).
    """
    half = (levels - 1) * (1 + _SLACK) / 2
    offset = 0.5 * (levels % 2 == 0)
    return torch.tanh(scale * x + torch.atanh(offset / half)) * half - offset


@register_bottleneck("fsq")
class FiniteScalarQuantization(LearnedBottleneck):
    """A code is d numbers, each a linear function of z_e rounded to one of L_i levels.

    The codebook is the grid of all K = L_1 ... L_d combinations. Gradients pass the
    rounding straight through. There is no loss and no M-step. What the decoder sees is
    linear in the d numbers, scaled to -1 ... 1.

    `weights` are the one-hots of `codes`, in training as in evaluation.
    """

    levels: Tensor
    places: Tensor

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        levels = torch.tensor(parse_levels(config.vq_levels), dtype=torch.float32)
        self.to_numbers = SliceLinear(
            self.num_slices, inputs=self.code_width, outputs=len(levels)
        )
        self.from_numbers = SliceLinear(
            self.num_slices, inputs=len(levels), outputs=self.code_width
        )
        # The lowest place comes first: 1, L_1, L_1 L_2, ...
        places = levels.long().cumprod(0) // levels.long()
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("places", places, persistent=False)

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses a number of codes that the levels do not make."""
        product = math.prod(parse_levels(config.vq_levels))
        require(
            config.vq_num_codes == product,
            f"`vq_num_codes` must be the product of `vq_levels` ({product})",
            config.vq_num_codes,
        )

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Rounds N vectors.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        numbers = self.to_numbers(split_slices(z, self.num_slices))  # (G, N, d)
        self.check_finite(numbers)
        bounded = bound(numbers, self.levels, SQUASHES[self.config.vq_squash])
        rounded = bounded.round()
        codes = self._to_codes(rounded)  # (G, N)
        weights = one_hot(codes, self.num_codes)
        error = usage.quantization_error(self._scale(bounded), self._scale(rounded))
        return BottleneckOutput(
            quantized=self._show(straight_through(bounded, rounded)),
            codes=codes.t(),
            weights=weights.transpose(0, 1),
            loss=z.new_zeros(()),
            metrics=self.figures(weights.sum(1), quantization_error=error),
        )

    @property
    def codebook(self) -> Tensor:
        """The vectors of all points of the grid. Shape: (G, K, D), float32."""
        codes = torch.arange(self.num_codes, device=self.places.device)
        points = self._scale(self._to_numbers(codes))  # (K, d)
        with torch.autocast(codes.device.type, enabled=False):
            return self.from_numbers(points.expand(self.num_slices, -1, -1))

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into what the decoder sees, by way of their numbers.

        Shape:
            codes (B, L, G) → (B, L, C).
        """
        self.check_codes(codes)
        numbers = self._to_numbers(codes.flatten(0, 1).t())  # (G, N, d)
        with torch.autocast(codes.device.type, enabled=False):
            return self._show(numbers).view(*codes.shape[:2], self.width)

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        config = self.config
        return (
            f"{super().extra_repr()}, levels={config.vq_levels}, "
            f"squash={config.vq_squash}"
        )

    def _to_codes(self, rounded: Tensor) -> Tensor:
        """Reads rounded numbers as digits. Shape: (..., d) → (...) int64."""
        # What is no number is refused by the figures, and must get that far.
        digits = (rounded.nan_to_num() + self.levels // 2).long()
        return (digits * self.places).sum(-1)

    def _to_numbers(self, codes: Tensor) -> Tensor:
        """Writes codes as rounded numbers. Shape: (...) → (..., d)."""
        digits = codes.unsqueeze(-1) // self.places % self.levels.long()
        return digits - self.levels // 2

    def _scale(self, numbers: Tensor) -> Tensor:
        """From levels to -1 ... 1. Shape: (..., d), kept."""
        return numbers / (self.levels // 2)

    def _show(self, numbers: Tensor) -> Tensor:
        """What the decoder sees. Shape: (G, N, d) → (N, C)."""
        return join_slices(self.from_numbers(self._scale(numbers)))
