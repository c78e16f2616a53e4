"""How many words the decoder is shown while the latents carry no information yet."""

import math

import torch
from torch import Tensor

FLOOR = 0.01


def latent_share(update: int, *, updates: int) -> float:
    """Returns the share of positions that must live on latents alone.

    lin(0.01→1 over `updates`) · exp(0.01→1 over `updates` / 4), the schedule of the
    authors' code.
    """
    if updates <= 0:
        return 1.0
    linear = FLOOR + (1 - FLOOR) * min(update / updates, 1.0)
    exponential = math.exp(math.log(FLOOR) * max(0.0, 1 - update / (updates / 4)))
    return linear * exponential


def growth(update: int, *, start: int, updates: int) -> float:
    """Returns a share that grows from 0 at `start` to 1 within `updates`."""
    if update < start:
        return 0.0
    return min(1.0, (update - start) / updates) if updates else 1.0


def draw_shown(mask: Tensor, latent_share: float, shown_sentences: float) -> Tensor:
    """Draws the positions whose words the decoder may see.

    Args:
        mask: (B, T), positions that may be shown.
        latent_share: share of positions that stay hidden in every sentence.
        shown_sentences: share of sentences that show a uniformly drawn part besides.

    Returns:
        (B, T) bool.
    """
    batch, device = mask.size(0), mask.device
    part = torch.rand(batch, 1, device=device)
    part = part * (torch.rand(batch, 1, device=device) < shown_sentences)
    rate = torch.maximum(part, torch.full_like(part, 1 - latent_share))
    return (torch.rand(mask.shape, device=device) < rate) & mask
