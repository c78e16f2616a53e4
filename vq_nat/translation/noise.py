"""Noise on the compressor's words in training: a denoising autoencoder.

Lample et al. 2018 (arXiv 1711.00043, section 2.3) drop words and shuffle them a little.
A dropped word leaves its place empty here, so that the number of latents stays that of
the sentence. The end of sentence keeps its place, and so does padding.
"""

import torch
from torch import Tensor


def shuffle_locally(words: Tensor, pad: int, *, distance: int) -> Tensor:
    """Permutes the words of each sentence, none further than `distance` places.

    Sorts by i + u with u uniform in [0, distance + 1).

    Args:
        words: (B, T), left-aligned, end of sentence included.
        pad: index of the padding symbol.
        distance: 0 = as they are.

    Returns:
        (B, T).
    """
    if not distance:
        return words
    places = torch.arange(words.size(1), device=words.device)
    keys = places + (distance + 1) * torch.rand(words.shape, device=words.device)
    behind = places + words.size(1) + distance + 1.0  # after every word, in order
    order = torch.where(movable(words, pad), keys, behind).argsort(dim=1)
    return words.gather(1, order)


def draw_kept(words: Tensor, pad: int, dropout: float) -> Tensor:
    """Draws which words are kept. Shape: (B, T) → (B, T) bool."""
    dropped = torch.rand(words.shape, device=words.device) < dropout
    return ~(dropped & movable(words, pad))


def movable(words: Tensor, pad: int) -> Tensor:
    """Tells words from ends of sentences and padding. Shape: (B, T) → (B, T) bool."""
    real = words.ne(pad)
    return real & torch.cat([real[:, 1:], torch.zeros_like(real[:, :1])], dim=1)
