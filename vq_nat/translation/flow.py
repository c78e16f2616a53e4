"""The records that the stages hand to each other, and the shape rules they share.

B batch, S source length, T target length, L latent steps, C model width, G slices,
K codes per slice, k words per code, V vocabulary. A mask is bool, True = real. Every
sequence inside the model is left-aligned: padding, if any, stands on the right.
"""

from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..bottleneck import BottleneckOutput

# Words × vocabulary in memory at a time, in float32: 512 MiB; on a CPU 8 MiB, as more
# would not stay in its cache.
LOGITS_AT_ONCE = 2**27
LOGITS_AT_ONCE_CPU = 2**21
# Where there is no code to predict.
NO_CODE = -100


class EncodedSource(NamedTuple):
    """What the encoder knows of the source sentences."""

    states: Tensor  # (B, S, C)
    mask: Tensor  # (B, S)


class Latents(NamedTuple):
    """Vectors at latent positions: the compressor's z_e, or codes looked up."""

    states: Tensor  # (B, L, C)
    mask: Tensor  # (B, L)


class LatentCodes(NamedTuple):
    """Discrete latents and the predictor's belief in them."""

    codes: Tensor  # (B, L, G) int64, 0 at padding
    mask: Tensor  # (B, L)
    score: Tensor  # (B,) log p(codes, end of codes | source)


class DecodedWords(NamedTuple):
    """What the parallel decoder says of every word position."""

    logits: Tensor  # (B, T, V)
    mask: Tensor  # (B, T); T = L · k positions of real latents


class TrainingOutput(NamedTuple):
    """Everything the criterion needs of one forward pass."""

    word_logits: Tensor  # (P, V), the P hidden positions
    word_targets: Tensor  # (P,)
    word_positions: int  # all positions of real latents, shown ones included
    code_logits: Tensor  # (B, L + 1, G, K + 1), or (B, L, 1, V) of codes that are words
    # Soft, (B, L + 1, G, K + 1), zero rows at padding; or indices (B, L, 1), NO_CODE
    # there.
    code_targets: Tensor
    code_count: int  # codes and ends of codes that are to be predicted
    bottleneck: BottleneckOutput
    latent_count: int  # real latent positions
    updates: int  # finished so far; schedules depend on it


Record = TypeVar("Record", EncodedSource, Latents, LatentCodes)


def take(record: Record, rows: Tensor) -> Record:
    """Takes rows of a batch, in any order and number. Shape: (B, …) → (R, …)."""
    return type(record)(*(field.index_select(0, rows) for field in record))


def align_left(tokens: Tensor, pad: int) -> Tensor:
    """Moves padding to the right and keeps the order of words. Shape: (B, T)."""
    order = tokens.eq(pad).to(torch.uint8).argsort(dim=1, stable=True)
    return tokens.gather(1, order)


def latent_mask(mask: Tensor, chunk: int) -> Tensor:
    """Returns which latents are real: those with a real word in their chunk.

    Shape: (B, L · k) → (B, L), k = `chunk`.
    """
    return mask.view(mask.size(0), -1, chunk).any(dim=-1)


def word_mask(mask: Tensor, chunk: int) -> Tensor:
    """Returns the word positions of real latents. Shape: (B, L) → (B, L · k)."""
    return mask.unsqueeze(-1).expand(-1, -1, chunk).flatten(1)


def pad_to_chunks(tokens: Tensor, chunk: int, pad: int) -> Tensor:
    """Fills the last chunk. Shape: (B, T) → (B, ⌈T / k⌉ · k)."""
    missing = -tokens.size(1) % chunk
    return torch.nn.functional.pad(tokens, (0, missing), value=pad)


def normalise_codes(logits: Tensor) -> Tensor:
    """Normalises code logits in float32. Shape: (…, G, K + 1).

    Symbol K, the end of codes, is one of slice 0 alone.
    """
    logits = logits.float()
    if logits.size(-2) > 1:
        logits = logits.clone()
        logits[..., 1:, -1] = -float("inf")
    return torch.log_softmax(logits, dim=-1)


def rows_at_once(
    device: torch.device, length: int, vocabulary: int, logits: int = 0
) -> int:
    """Returns how many rows of a batch get their logits at a time, at least one.

    Args:
        device: where they are computed.
        length: T, words of a row.
        vocabulary: V.
        logits: words × vocabulary in memory at a time; 0 = as many as suit the device.
    """
    suited = LOGITS_AT_ONCE_CPU if device.type == "cpu" else LOGITS_AT_ONCE
    return max(1, (logits or suited) // (length * vocabulary))


def row_slices(rows: int, count: int) -> list[slice]:
    """Cuts rows into slices of at most `count`."""
    return [slice(i, i + count) for i in range(0, rows, count)]


def pieces(lengths: Tensor, vocabulary: int, logits: int = 0) -> list[Tensor]:
    """Parts rows of words into pieces of similar length whose logits fit.

    Args:
        lengths: words of each row, (R,).
        vocabulary: V.
        logits: see `rows_at_once`.

    Returns:
        The numbers of the rows of each piece, the longest first.
    """
    order = lengths.argsort(descending=True, stable=True)
    sizes, found, start = lengths[order].tolist(), [], 0
    while start < len(sizes):
        end = start + rows_at_once(lengths.device, sizes[start], vocabulary, logits)
        found.append(order[start:end])
        start = end
    return found


def device_of(model: Any) -> torch.device:
    """Returns where a model computes; an exported one has no parameters to tell it."""
    own = getattr(model, "device", None)
    return next(model.parameters()).device if own is None else own
