"""Owns the Gumbel-softmax bottleneck: codes drawn from logits, learned by gradient.

See Jang et al., "Categorical Reparameterization with Gumbel-Softmax",
https://arxiv.org/abs/1611.01144.
"""

import torch
from torch import Tensor, nn

from . import schedule
from .assign import one_hot
from .base import BottleneckOutput, straight_through
from .codebook import random_codes
from .config import BottleneckConfig
from .learned import LearnedBottleneck
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, look_up, split_slices


def gumbel_noise(like: Tensor) -> Tensor:
    """Draws -log(-log u), u uniform: argmax(logits + noise) is a draw of softmax."""
    tiny = torch.finfo(like.dtype).tiny
    return -torch.empty_like(like).exponential_().clamp(min=tiny).log()


@register_bottleneck("gumbel")
class GumbelSoftmax(LearnedBottleneck):
    """A code drawn from softmax(W z_e), through which gradients pass.

    In training y = softmax((W z_e + Gumbel noise) / tau). Forward, the decoder sees the
    code vector of argmax y; backward, the gradient is that of the mix y (straight
    through). In evaluation it sees the most probable code. The codebook is a parameter.

    There is no loss and no M-step: in particular no divergence from a prior, which is
    uniform. `weights` are the drawn one-hots.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.to_logits = SliceLinear(self.num_slices, self.code_width, self.num_codes)
        self.code_vectors = nn.Parameter(random_codes(config, self.code_width))

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Draws a code for each of N vectors.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        logits = self.to_logits(split_slices(z, self.num_slices))  # (G, N, K)
        self.check_finite(logits)
        codes = logits.argmax(-1)  # (G, N)
        if self.training:
            noisy = (logits + gumbel_noise(logits)) / self.temperature
            mix = torch.softmax(noisy, dim=-1)
            weights = one_hot(mix.argmax(-1), self.num_codes)
            quantized = join_slices(straight_through(mix, weights) @ self.codebook)
        else:
            weights = one_hot(codes, self.num_codes)
            quantized = look_up(self.codebook, codes.t())
        return BottleneckOutput(
            quantized=quantized,
            codes=codes.t(),
            weights=weights.transpose(0, 1),
            loss=z.new_zeros(()),
            metrics=self._metrics(logits.detach(), weights.sum(1)),
        )

    @property
    def codebook(self) -> Tensor:
        """The code vectors. Shape: (G, K, D), float32."""
        return self.code_vectors

    @property
    def temperature(self) -> float:
        """tau, now."""
        return schedule.temperature(self.config, self.num_updates)

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        return f"{super().extra_repr()}, temperature={self.config.vq_temperature}"

    @torch.no_grad()
    def _metrics(self, logits: Tensor, counts: Tensor) -> dict[str, float]:
        """Figures for the log. Shape: logits (G, N, K), counts (G, K)."""
        entropies = torch.special.entr(torch.softmax(logits, dim=-1)).sum(-1)
        return self.figures(
            counts,
            posterior_entropy=entropies.sum() / max(1, entropies.numel()),
            temperature=logits.new_tensor(self.temperature),
        )
