"""Owns lookup-free quantization: a code is the signs of a few numbers.

LFQ: Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation",
https://arxiv.org/abs/2310.05737, section 3.1. With `vq_metric` "cosine" it is BSQ: Zhao
et al., "Image and Video Tokenization with Binary Spherical Quantization",
https://arxiv.org/abs/2406.07548, section 4. G slices, N vectors, K codes, log2 K bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import schedule, usage
from .assign import one_hot
from .base import BottleneckOutput
from .bits import BitBottleneck, bits_to_codes, codes_to_bits
from .config import BottleneckConfig
from .gradients import straight_through
from .members import register_bottleneck
from .slices import SliceLinear, join_slices, split_slices
from .space import PLACES


def bit_log_probs(numbers: Tensor, size: float, temperature: float) -> Tensor:
    """Computes log p of each bit being 0, and 1: softmax(-(number -+ size)^2 / tau).

    Their product is the posterior of a code, softmax_j(-||numbers - e_j||^2 / tau).

    Shape:
        numbers (G, N, log2 K) → (2, G, N, log2 K).
    """
    logits = 4 * size / temperature * numbers
    return torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)])


def mean_posterior(log_probs: Tensor) -> Tensor:
    """Averages the posterior over vectors, without ever having all of it.

    A code's probability is that of its low bits times that of its high ones; so the
    mean over vectors is a product of two matrices with the root of K rows each.

    Shape:
        log_probs (2, G, N, log2 K) → (G, K), in some order of the codes.
    """
    num_vectors, num_bits = log_probs.shape[2:]
    low, high = (
        _pattern_probs(part) for part in log_probs.tensor_split([num_bits // 2], dim=-1)
    )
    return (low.transpose(1, 2) @ high).flatten(1) / max(1, num_vectors)


def _pattern_probs(log_probs: Tensor) -> Tensor:
    """Probabilities of all patterns of b bits. Shape: (2, G, N, b) → (G, N, 2^b)."""
    num_bits = log_probs.shape[-1]
    codes = torch.arange(2**num_bits, device=log_probs.device)
    ones = codes_to_bits(codes, num_bits).t()  # (b, 2^b)
    return (log_probs[0] @ (1 - ones) + log_probs[1] @ ones).exp()


def entropies(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Computes E[H(q)] and H(E[q]) of the posteriors q, means over slices, in nats.

    Shape:
        log_probs (2, G, N, log2 K) → two scalars.
    """
    rows = max(1, log_probs.shape[1] * log_probs.shape[2])
    own = -(log_probs.exp() * log_probs).sum() / rows
    mean = mean_posterior(log_probs)
    # Of 0, where a probability ends in floating point, the slope is infinite. As of 0,
    # the entropy of 1 is 0.
    mean = torch.where(mean > 0, mean, 1.0)
    return own, torch.special.entr(mean).sum(-1).mean()


@register_bottleneck("lfq")
class LookupFreeQuantization(BitBottleneck):
    """A code of log2 K bits: the signs of as many linear functions u of z_e.

    The codebook is {-s, s}^(log2 K), and nothing is looked up. With the euclidean
    metric s = 1 (LFQ); with cosine u is of length 1 first, and so are the codes: s = 1
    / sqrt(log2 K) (BSQ). Gradients pass the sign straight through, and a linear layer
    leads back to the width. The loss is

        commitment  mean (u - sg(sign u))^2
        + entropy weight  (E[H(q)] - diversity  H(E[q])),

    of q = softmax(-||u - e||^2 / tau), so that each vector is sure of its code and all
    together use all codes. The means are those of a batch, without padding: workers and
    the batches of one update add up their gradients, not their posteriors. The paper's
    tau is 0.01.

    `weights` are the one-hots of `codes`, in training as in evaluation.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.place = PLACES[config.vq_metric]
        self.size = self.num_bits**-0.5 if config.vq_metric == "cosine" else 1.0
        self.to_numbers = SliceLinear(
            self.num_slices, inputs=self.code_width, outputs=self.num_bits
        )
        self.from_numbers = SliceLinear(
            self.num_slices, inputs=self.num_bits, outputs=self.code_width
        )

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Takes the signs for N vectors.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        numbers = self.place(self.to_numbers(split_slices(z, self.num_slices)))
        self.check_finite(numbers)
        bits = numbers > 0  # (G, N, log2 K)
        signs = self._signs(bits)
        codes = bits_to_codes(bits)  # (G, N)
        weights = one_hot(codes, self.num_codes)
        shown = self.from_numbers(straight_through(numbers, signs))
        loss, entropy = self._loss(numbers, signs)
        error = usage.quantization_error(numbers, signs)
        return BottleneckOutput(
            quantized=join_slices(shown),
            codes=codes.t(),
            weights=weights.transpose(0, 1),
            loss=loss,
            metrics=self.figures(
                weights.sum(1), posterior_entropy=entropy, quantization_error=error
            ),
        )

    def show_bits(self, bits: Tensor) -> Tensor:
        """Turns bits into what the decoder sees. Shape: (G, N, log2 K) → (G, N, D)."""
        return self.from_numbers(self._signs(bits))

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        config = self.config
        return (
            f"{super().extra_repr()}, metric={config.vq_metric}, "
            f"commitment={config.vq_commitment}, entropy={config.vq_entropy_weight}, "
            f"diversity={config.vq_diversity}"
        )

    def _signs(self, bits: Tensor) -> Tensor:
        """From 0 and 1 to -s and s."""
        return self.size * (2.0 * bits - 1.0)

    def _loss(self, numbers: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the mean entropy of the posterior without gradient."""
        config = self.config
        error = F.mse_loss(numbers, signs, reduction="sum") / max(1, numbers.numel())
        tau = schedule.temperature(config, self.num_updates)
        own, of_all = entropies(bit_log_probs(numbers, self.size, tau))
        spread = own - config.vq_diversity * of_all
        loss = config.vq_commitment * error + config.vq_entropy_weight * spread
        return loss, own.detach()
