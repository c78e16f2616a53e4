"""Owns the Gumbel-softmax bottleneck: codes drawn from logits, learned by gradient.

See Jang et al., "Categorical Reparameterization with Gumbel-Softmax",
https://arxiv.org/abs/1611.01144.
"""

import math

import torch
from torch import Tensor, nn

from . import schedule
from .assign import one_hot
from .base import BottleneckOutput
from .codebook import random_codes
from .config import BottleneckConfig
from .gradients import straight_through
from .learned import LearnedBottleneck
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, look_up, split_slices


def gumbel_noise(like: Tensor) -> Tensor:
    """Draws -log(-log u), u uniform: argmax(logits + noise) is a draw of softmax."""
    tiny = torch.finfo(like.dtype).tiny
    return -torch.empty_like(like).exponential_().clamp(min=tiny).log()


def divergence(logits: Tensor) -> Tensor:
    """KL(softmax(logits) || uniform), a mean over vectors of the sum over slices.

    Shape:
        (G, N, K) → scalar.
    """
    log_q = torch.log_softmax(logits, dim=-1)
    # log q - log(1 / K); as many terms as there are probabilities.
    terms = log_q.exp() * (log_q + math.log(logits.shape[-1]))
    return terms.sum() / max(1, logits.shape[1])


@register_bottleneck("gumbel")
class GumbelSoftmax(LearnedBottleneck):
    """A code drawn from softmax(W z_e), through which gradients pass.

    In training y = softmax((W z_e + Gumbel noise) / tau). Forward, the decoder sees the
    code vector of argmax y; backward, the gradient is that of the mix y (straight
    through). In evaluation it sees the most probable code. The codebook is a parameter.

    tau follows `vq_schedule`; the paper anneals it from 1 to 0.5 exponentially (section
    4.1). The loss is `vq_kl_weight` times the divergence of the posterior q = softmax(W
    z_e) from the uniform prior (the paper's ELBO, section 3), log K - H(q), in nats a
    vector, all slices together. In the ELBO a vector weighs as much as a word or an
    intensity; where a loss adds up means over words, the weight is vectors per word.

    There is no M-step. `weights` are the drawn one-hots.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.to_logits = SliceLinear(
            self.num_slices, inputs=self.code_width, outputs=self.num_codes
        )
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
            loss=self.config.vq_kl_weight * divergence(logits),
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
