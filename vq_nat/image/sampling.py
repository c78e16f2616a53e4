"""Draws codes from a prior and pixels from codes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .prior import Choose, Prior


@dataclass(frozen=True)
class SamplingOptions:
    """How codes are drawn from a prior.

    Args:
        temperature: logits are divided by it; 0 takes the most probable code.
        top_k: only so many of the most probable codes may be drawn; 0 is all of them.
    """

    temperature: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(
                "`temperature` must be at least 0 and finite, "
                f"but is {self.temperature} instead."
            )
        if self.top_k < 0:
            raise ValueError(
                f"`top_k` must be at least 0, but is {self.top_k} instead."
            )


PLAIN = SamplingOptions()


def choose_codes(logits: Tensor, noise: Tensor, options: SamplingOptions) -> Tensor:
    """Draws a code from each row by the inverse of its distribution function.

    A code of probability 0 is never drawn: noise is above 0, and the first code whose
    cumulated probability reaches it adds something to the sum.

    Args:
        logits: of any floating type. Shape: (B, K).
        noise: in (0, 1]. Shape: (B,).
        options: temperature and top-k.

    Returns:
        Codes, int64. Shape: (B,).
    """
    logits = logits.float()
    if options.temperature == 0 or options.top_k == 1:
        return logits.argmax(dim=-1)
    # Below 0 nothing overflows, however large it becomes.
    below = logits - logits.amax(dim=-1, keepdim=True)
    logits = below / max(options.temperature, torch.finfo(below.dtype).tiny)
    if not 0 < options.top_k < logits.size(-1):
        return _invert(F.softmax(logits, dim=-1), noise)
    best, codes = logits.topk(options.top_k, dim=-1)
    ranks = _invert(F.softmax(best, dim=-1), noise)
    return codes.gather(-1, ranks.unsqueeze(-1)).squeeze(-1)


def _invert(probabilities: Tensor, noise: Tensor) -> Tensor:
    """Finds the first code at which the sum reaches noise · total. Shape: (B,)."""
    reached = probabilities.cumsum(dim=-1)
    wanted = noise.unsqueeze(-1) * reached[:, -1:]
    return torch.searchsorted(reached, wanted).squeeze(-1)


def draw_noise(count: int, prior: Prior, seed: int) -> Tensor:
    """Draws all noise at once, on the CPU: no batch and no device changes a sample.

    Shape:
        (count, L, G), in (0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (count, prior.grid.length, prior.grid.slices)
    return 1 - torch.rand(shape, generator=generator)


@torch.no_grad()
def sample_codes(
    prior: Prior,
    count: int,
    options: SamplingOptions = PLAIN,
    *,
    seed: int = 1,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draws grids of codes from a prior.

    Args:
        prior: any prior.
        count: grids to draw.
        options: temperature and top-k.
        seed: of the noise.
        batch_size: grids drawn at a time.
        device: of the prior.

    Returns:
        Codes, int64. Shape: (count, L, G).

    Raises:
        ValueError: if nothing is asked for.
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but is {count} instead.")
    choose: Choose = partial(choose_codes, options=options)
    noise = draw_noise(count, prior, seed)
    parts = [prior.draw(part.to(device), choose) for part in noise.split(batch_size)]
    return torch.cat(parts)


PIXELS = ("mode", "sample")


@torch.no_grad()
def decode_codes(
    autoencoder: Any,
    codes: Tensor,
    pixels: str = "mode",
    seed: int = 1,
    *,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Turns codes into images.

    Args:
        autoencoder: in evaluation mode.
        codes: of any integer type. Shape: (N, L, G).
        pixels: "mode" for the likely image, "sample" to draw each pixel by itself,
            which is what the likelihood says but looks like noise upon the image.
        seed: of what is drawn, which depends on the batch size as well.
        batch_size: images decoded at a time.
        device: of the autoencoder.

    Returns:
        Images, uint8, on the CPU. Shape: (N, 3, H, W).

    Raises:
        ValueError: if `pixels` is neither of the two.
    """
    if pixels not in PIXELS:
        raise ValueError(
            f"`pixels` must be one of {', '.join(PIXELS)}, but is {pixels!r} instead."
        )
    generator = torch.Generator(device).manual_seed(seed)
    likelihood, parts = autoencoder.likelihood, []
    for part in codes.split(batch_size):
        params = autoencoder.decode(autoencoder.lookup(part.long().to(device)))
        if pixels == "mode":
            parts.append(likelihood.mode(params).cpu())
        else:
            parts.append(likelihood.sample(params, generator).cpu())
    return torch.cat(parts)
