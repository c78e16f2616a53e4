"""Owns the distributions over 256 intensities, of which a decoder gives parameters.

Letters: B batch, H height, W width of the image, P parameters of a pixel, M logistics
of a mixture. Images are uint8 (B, 3, H, W), parameters are (B, P, H, W). All is
computed in float32, whatever the parameters come in, and in float64 if they do.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 256
LIKELIHOODS = ("categorical", "mixture")


class Likelihood:
    """A distribution p(image | parameters): the base of the family.

    Attributes:
        parameters_per_pixel: P.
    """

    parameters_per_pixel: int

    def log_prob(self, images: Tensor, params: Tensor) -> Tensor:
        """Computes log p(image) in nats.

        Shape:
            images (B, 3, H, W), params (B, P, H, W) → (B,).
        """
        raise NotImplementedError

    def conditional(self, images: Tensor, params: Tensor) -> Tensor:
        """Computes the log-probabilities of all intensities, in nats.

        Those of a channel are given the channels before it, as they are in the images.

        Shape:
            images (B, 3, H, W), params (B, P, H, W) → (B, 3, 256, H, W).
        """
        raise NotImplementedError

    def mode(self, params: Tensor) -> Tensor:
        """Returns the likely image.

        Shape:
            (B, P, H, W) → (B, 3, H, W) uint8.
        """
        raise NotImplementedError

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws an image, each pixel by itself.

        Shape:
            (B, P, H, W) → (B, 3, H, W) uint8.
        """
        raise NotImplementedError

    def initial_bias(self) -> Tensor:
        """Returns parameters to start a training from. Shape: (P,)."""
        raise NotImplementedError


class Categorical256(Likelihood):
    """256 probabilities for each channel, which is independent of the others."""

    parameters_per_pixel = 3 * LEVELS

    def log_prob(self, images: Tensor, params: Tensor) -> Tensor:
        """Sums the log-probabilities of the intensities.

        Shape:
            images (B, 3, H, W), params (B, 768, H, W) → (B,).
        """
        logits = self._logits(params).flatten(0, 1)  # (3B, 256, H, W)
        nats = F.cross_entropy(logits, images.flatten(0, 1).long(), reduction="none")
        return -nats.view(len(images), -1).sum(-1)

    def conditional(self, images: Tensor, params: Tensor) -> Tensor:
        """Returns the log-probabilities, which do not depend on the images.

        Shape:
            images (B, 3, H, W), params (B, 768, H, W) → (B, 3, 256, H, W).
        """
        return self._logits(params).log_softmax(2)

    def mode(self, params: Tensor) -> Tensor:
        """Returns the most probable intensities.

        Shape:
            (B, 768, H, W) → (B, 3, H, W) uint8.
        """
        return self._logits(params).argmax(2).to(torch.uint8)

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws intensities.

        Shape:
            (B, 768, H, W) → (B, 3, H, W) uint8.
        """
        return draw(self._logits(params), 2, generator).to(torch.uint8)

    def initial_bias(self) -> Tensor:
        """Returns those of the uniform distribution. Shape: (768,)."""
        return torch.zeros(self.parameters_per_pixel)

    def _logits(self, params: Tensor) -> Tensor:
        """Separates the channels. Shape: (B, 768, H, W) → (B, 3, 256, H, W)."""
        batch, _, *size = params.shape
        return precise(params).reshape(batch, 3, LEVELS, *size)


class _Mixture(NamedTuple):
    """Parameters of M logistics over intensities that lie in -1 ... 1."""

    logits: Tensor  # (B, M, H, W)
    means: Tensor  # (B, 3, M, H, W), before the channels before are known
    inverse_scales: Tensor  # (B, 3, M, H, W)
    coefficients: Tensor  # (B, 3, M, H, W): red to green, red to blue, green to blue


class DiscretisedLogisticMixture(Likelihood):
    """Mixture of M logistics cut into 256 bins, with linear channel conditioning.

    Of each logistic the mean of green is shifted by a multiple of red, and that of
    blue by multiples of red and green. The outer bins reach to infinity, so that a
    channel's probabilities sum to 1. See Salimans et al. 2017, "PixelCNN++",
    https://arxiv.org/abs/1701.05517, section 2.1 and 2.2.

    Args:
        mixtures: M.
    """

    LOG_SCALES = (-7.0, 5.0)  # narrower than any bin, wider than all

    def __init__(self, mixtures: int) -> None:
        if mixtures < 1:
            raise ValueError(
                f"`mixtures` must be at least 1, but is {mixtures} instead."
            )
        self.mixtures = mixtures
        self.parameters_per_pixel = 10 * mixtures

    def log_prob(self, images: Tensor, params: Tensor) -> Tensor:
        """Computes log sum_m pi_m p_m(red) p_m(green | red) p_m(blue | red, green).

        Shape:
            images (B, 3, H, W), params (B, 10M, H, W) → (B,).
        """
        mixture = self._split(params)
        channels = self._bins(images, mixture, images).sum(1)  # (B, M, H, W)
        nats = (mixture.logits.log_softmax(1) + channels).logsumexp(1)
        return nats.flatten(1).sum(-1)

    def conditional(self, images: Tensor, params: Tensor) -> Tensor:
        """Computes p(red), p(green | red) and p(blue | red, green) of all intensities.

        Shape:
            images (B, 3, H, W), params (B, 10M, H, W) → (B, 3, 256, H, W).
        """
        mixture = self._split(params)
        seen = self._bins(images, mixture, images)  # (B, 3, M, H, W)
        before = mixture.logits.log_softmax(1).unsqueeze(1) + seen.cumsum(1) - seen
        weights = before - before.logsumexp(2, keepdim=True)
        levels = [
            (weights + self._bins(torch.full_like(images, v), mixture, images))
            for v in range(LEVELS)
        ]
        return torch.stack([level.logsumexp(2) for level in levels], 2)

    def mode(self, params: Tensor) -> Tensor:
        """Returns the centre of the heaviest logistic, channel after channel.

        Shape:
            (B, 10M, H, W) → (B, 3, H, W) uint8.
        """
        mixture = self._split(params)
        return self._channels(mixture, mixture.logits.argmax(1), None)

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws a logistic for each pixel, and from it channel after channel.

        Shape:
            (B, 10M, H, W) → (B, 3, H, W) uint8.
        """
        mixture = self._split(params)
        chosen = draw(mixture.logits, 1, generator)
        shape = (len(params), 3, *params.shape[2:])
        u = uniform(shape, mixture.logits, generator)
        return self._channels(mixture, chosen, u.logit())

    def initial_bias(self) -> Tensor:
        """Returns logistics spread over the intensities. Shape: (10M,)."""
        bias = torch.zeros(10, self.mixtures)
        bias[1:4] = (2 * torch.arange(self.mixtures) + 1) / self.mixtures - 1
        bias[4:7] = -math.log(2.0 * self.mixtures)
        return bias.flatten()

    def _split(self, params: Tensor) -> _Mixture:
        """Names the parameters. Shape: (B, 10M, H, W)."""
        batch, _, *size = params.shape
        kinds = precise(params).reshape(batch, 10, self.mixtures, *size)
        logits, means, scales, coefficients = kinds.split([1, 3, 3, 3], 1)
        return _Mixture(
            logits.squeeze(1),
            means,
            scales.clamp(*self.LOG_SCALES).neg().exp(),
            coefficients.tanh(),
        )

    def _bins(self, values: Tensor, mixture: _Mixture, images: Tensor) -> Tensor:
        """Computes the log-probability of values in each logistic.

        With a below b, log(s(b) - s(a)) = log s(b) + log s(-a) + log(1 - exp(a - b)),
        s the logistic function, which loses no digits and never takes log 0. Of the
        outer bins a or b is infinite, and what has it in it vanishes.

        Shape:
            values and images (B, 3, H, W) uint8 → (B, 3, M, H, W).
        """
        dtype = mixture.means.dtype
        means = shift(mixture, scaled(images, dtype))
        values = values.unsqueeze(2)
        centre = (scaled(values, dtype) - means) * mixture.inverse_scales
        half = mixture.inverse_scales / (LEVELS - 1)
        below = F.logsigmoid(centre + half).masked_fill(values == LEVELS - 1, 0.0)
        above = F.logsigmoid(half - centre).masked_fill(values == 0, 0.0)
        inner = torch.log(-torch.expm1(-2 * half))
        outer = (values == 0) | (values == LEVELS - 1)
        return below + above + inner.masked_fill(outer, 0.0)

    def _channels(
        self, mixture: _Mixture, chosen: Tensor, noise: Tensor | None
    ) -> Tensor:
        """Decides on red, then green, then blue, of chosen logistics.

        Shape:
            chosen (B, H, W), noise (B, 3, H, W) → (B, 3, H, W) uint8.
        """
        at = chosen[:, None, None].expand(-1, 3, 1, *chosen.shape[1:])
        means, inverse, coefficients = (
            part.gather(2, at) for part in mixture[1:]
        )  # (B, 3, 1, H, W)
        mixture = _Mixture(mixture.logits, means, inverse, coefficients)
        images = torch.zeros_like(at.squeeze(2), dtype=torch.uint8)
        for channel in range(3):
            x = shift(mixture, scaled(images, means.dtype))[:, channel, 0]
            if noise is not None:
                x = x + noise[:, channel] / inverse[:, channel, 0]
            levels = ((x + 1) * ((LEVELS - 1) / 2)).round().clamp(0, LEVELS - 1)
            images[:, channel] = levels.to(torch.uint8)
        return images


def build_likelihood(name: str, mixtures: int) -> Likelihood:
    """Builds the likelihood that the options describe.

    Raises:
        ValueError: if there is none of this name.
    """
    if name == "categorical":
        return Categorical256()
    if name == "mixture":
        return DiscretisedLogisticMixture(mixtures)
    raise ValueError(
        f"`likelihood` must be one of {', '.join(LIKELIHOODS)}, "
        f"but is {name!r} instead."
    )


def scaled(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Maps intensities 0 ... 255 to -1 ... 1. Shape kept."""
    return images.to(dtype) * (2 / (LEVELS - 1)) - 1


def shift(mixture: _Mixture, x: Tensor) -> Tensor:
    """Shifts the means by the channels before. Shape: x (B, 3, H, W) → as means."""
    red, green, _ = x.unsqueeze(2).unbind(1)
    to_green, to_blue, green_to_blue = mixture.coefficients.unbind(1)
    first, second, third = mixture.means.unbind(1)
    second = second + to_green * red
    third = third + to_blue * red + green_to_blue * green
    return torch.stack([first, second, third], 1)


def precise(params: Tensor) -> Tensor:
    """At least float32, in the usual order of memory. Shape kept."""
    return params.to(torch.promote_types(params.dtype, torch.float32)).contiguous()


def uniform(
    shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draws numbers between 0 and 1, but neither of them."""
    tiny = torch.finfo(like.dtype).eps / 2
    drawn = torch.rand(shape, dtype=like.dtype, device=like.device, generator=generator)
    return drawn.clamp(tiny, 1 - tiny)


def draw(logits: Tensor, dim: int, generator: torch.Generator | None) -> Tensor:
    """Draws from softmax(logits) along `dim`, by the Gumbel-max trick."""
    noise = uniform(logits.shape, logits, generator)
    return (logits - (-noise.log()).log()).argmax(dim)
