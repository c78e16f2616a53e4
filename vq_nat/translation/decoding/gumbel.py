"""Gumbel noise that is the same for a sentence in every batch."""

from typing import Optional

import torch
from torch import Tensor

from .limits import CodeBounds, SearchOptions, picked

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # 2^64 / φ, as a signed number


class GumbelNoise:
    """Gumbel noise that depends on a sentence's key, sample and position alone.

    Drawn from a generator, it would depend on the sentence's place in the batch. Here
    each number is a hash of its coordinates (the finaliser of SplitMix64, Steele et
    al. 2014).
    """

    def __init__(self, bounds: CodeBounds, options: SearchOptions) -> None:
        if bounds.keys is None:
            raise ValueError("`keys` must be given to sample, but are None instead.")
        self.keys = mix(bounds.keys + options.seed)

    def __call__(
        self, position: int, shape: torch.Size, rows: Optional[Tensor]
    ) -> Tensor:
        """Returns noise for one step. Shape: (R, G, K + 1)."""
        _, slices, symbols = shape
        keys = mix(picked(self.keys, rows) + position)
        cells = torch.arange(slices * symbols, device=keys.device)
        bits = mix(keys.unsqueeze(1) + cells * GOLDEN).view(-1, slices, symbols)
        uniform = ((bits >> 11) & (2**53 - 1)).double().add(0.5) / 2**53
        return -(-uniform.log()).log().float()


def mix(x: Tensor) -> Tensor:
    """Hashes int64 numbers, overflow intended."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ ((x >> shift) & (2 ** (64 - shift) - 1))) * (factor - 2**64)
    return x ^ ((x >> 31) & (2**33 - 1))


def sentence_keys(tokens: Tensor, pad: int) -> Tensor:
    """Hashes left-aligned sentences, whatever their padding. Shape: (B, S) → (B,)."""
    places = torch.arange(tokens.size(1), device=tokens.device) + 1
    return (mix(tokens + mix(places * GOLDEN)) * tokens.ne(pad)).sum(dim=1)


def widen(bounds: CodeBounds, options: SearchOptions) -> CodeBounds:
    """Repeats the bounds W times, with keys that differ. Shape: (B,) → (B · W,)."""
    least, most = (t.repeat_interleave(options.width) for t in bounds[:2])
    keys = bounds.keys
    if keys is not None:
        samples = torch.arange(options.width, device=keys.device)
        keys = (mix(keys).unsqueeze(1) + samples * GOLDEN).flatten()
    return CodeBounds(least, most, bounds.ends, keys)
