"""The records that the stages hand to each other, and the shape rules they share.

B batch, S source length, T target length, L latent steps, C model width, G slices,
K codes per slice, k words per code, V vocabulary. A mask is bool, True = real. Every
sequence inside the model is left-aligned: padding, if any, stands on the right.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeGuard, TypeVar

import torch
from torch import Tensor

from ..bottleneck import BottleneckOutput

# Words × vocabulary in memory at a time, in float32: 512 MiB; on a CPU 8 MiB, as more
# would not stay in its cache.
LOGITS_AT_ONCE = 2**27
LOGITS_AT_ONCE_CPU = 2**21
# Where there is no code to predict.
NO_CODE = -100
# Where there is no word, among aligned ones: the beginning of sentence, which every
# fairseq dictionary has first and no output needs.
BLANK = 0


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


class Candidate(NamedTuple):
    """One translation of a sentence: made by a generator, ranked by a rescorer."""

    tokens: Tensor  # (T,), its end of sentence included
    positional_scores: Tensor  # (T,) log-probabilities
    score: float  # log p(codes) + log p(words | codes)
    code_score: float  # log p(codes)
    codes: Tensor  # (L, G)
    steps: int  # passes until it stood still
    copies: int = 1  # candidates with these words
    rank_score: float | None = None  # what it was ranked by; None = it was alone
    teacher_score: float | None = None  # log p(words) under the teacher
    teacher_seconds: float = 0.0  # its sentence's part of the teacher's time
    history: tuple[Tensor, ...] = ()  # the words of every pass, if they are kept


class AlignedWords(NamedTuple):
    """Words that have no place of their own, and where they may be found."""

    logits: Tensor  # (B, P, V), of more positions than there are words
    mask: Tensor  # (B, P)
    words: Tensor  # (B, T), their end included, padded on the right
    counts: Tensor  # (B,), the words that are real

    @property
    def fits(self) -> Tensor:
        """Tells which sentences have an alignment at all. Shape: (B,).

        Between two equal words there must be a position that says nothing.
        """
        same = self.words[:, 1:].eq(self.words[:, :-1])
        places = torch.arange(1, self.words.size(1), device=same.device)
        blanks = (same & places.lt(self.counts.unsqueeze(1))).sum(dim=1)
        return self.mask.sum(dim=1).ge(self.counts + blanks)


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
    aligned: AlignedWords | None = None  # instead of `word_logits` and their targets


# ------------------------------------------------------- what decoding asks of a model


class SearchState(Protocol):
    """What a latent predictor keeps from one step to the next."""

    def take(self: State, rows: Tensor, source: bool) -> State:
        """Takes rows of the batch; of the source as well, or of the past alone."""


State = TypeVar("State", bound=SearchState)


class CodePredictor(Protocol[State]):
    """What the search asks of a latent predictor with G slices of K codes."""

    slices: int
    codes: int
    max_latents: int  # longest sequence of codes

    @property
    def end(self) -> int:
        """The end-of-codes symbol, of slice 0 alone."""

    def start(self, source: EncodedSource) -> State:
        """Returns the state before the first step."""

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, State]:
        """Returns logits (B, G, K + 1) after the codes (B, G), and the next state."""

    def log_probs(self, logits: Tensor) -> Tensor:
        """Normalises logits. Shape: (…, G, K + 1)."""


class LatentModel(Protocol):
    """What decoding asks of a model with latents, trained or exported."""

    chunk: int  # k, words per code
    pad: int
    predictor: CodePredictor[Any]
    training: bool

    @property
    def sees_words(self) -> bool:
        """Whether training showed words to the decoder until its end."""

    @property
    def predicts_codes(self) -> bool:
        """Whether there are codes, so that they can be predicted."""

    def encode(self, src_tokens: Tensor) -> EncodedSource:
        """Encodes source words. Shape: (B, S), padded on either side."""

    def lookup(self, codes: LatentCodes) -> Latents:
        """Turns codes into vectors. Shape: (B, L, G) → (B, L, C)."""

    def decode(
        self,
        latents: Latents,
        source: EncodedSource,
        words: Tensor | None = None,
        shown: Tensor | None = None,
    ) -> DecodedWords:
        """Predicts every word at once, around those that are shown (B, T)."""

    def code_log_probs(self, codes: Tensor, source: EncodedSource) -> Tensor:
        """Computes log p of every code after those before it.

        Shape: (B, L, G) → (B, L + 1, G, K + 1).
        """

    def score_codes(self, codes: LatentCodes, source: EncodedSource) -> Tensor:
        """Computes log p(codes, end of codes | source). Shape: (B,)."""

    def true_codes(self, target: Tensor, source: EncodedSource) -> LatentCodes:
        """Returns the codes that the target (B, T) has behind the bottleneck."""

    def true_latents(self, target: Tensor, source: EncodedSource) -> Latents:
        """Returns what the decoder sees of the target (B, T) in training."""

    def max_positions(self) -> tuple[int, int]:
        """Longest source and target, in subword tokens."""

    def eval(self) -> object:
        """Switches to evaluation."""


def is_latent(model: object) -> TypeGuard[LatentModel]:
    """Tells whether a model has latents to decode from."""
    return hasattr(model, "lookup") and hasattr(model, "true_latents")


def is_aligned(model: object) -> bool:
    """Tells whether a model's words have no place of their own: `--alignment ctc`."""
    return getattr(model, "aligned", False)


def given_places(model: LatentModel, latents: Latents) -> Tensor | None:
    """Tells which words are codes. Shape: (B, L, 1) → (B, L · k); None = no word is."""
    place = getattr(model, "place", None)
    return None if place is None else place(latents)[1]


def reads_source(model: object) -> bool:
    """Tells whether a model decodes from the states of the source, without codes."""
    return getattr(model, "reads_source", False)


def require_codes(model: Any) -> None:
    """Refuses a model without codes, or without a compressor.

    Args:
        model: of a translator; None for an exported one, which has no such attribute.

    Raises:
        ValueError: saying what it is instead.
    """
    latent = is_latent(model)
    if model is not None and not latent:
        raise ValueError(
            f"the model must have codes, but is a {type(model).__name__} instead."
        )
    if not hasattr(model, "compress"):
        raise ValueError(
            "the model must be a checkpoint, whose compressor gives references their "
            "codes, but is an exported one instead."
        )
    if not model.predicts_codes:
        raise ValueError(
            f"the model must have codes, but its `vq_kind` is {model.cfg.vq_kind!r} "
            "instead."
        )
    if is_aligned(model):
        raise ValueError(
            "the model's `alignment` must be 'positions', but is 'ctc' instead: its "
            "codes stand for no words of their own."
        )


def positions_per_latent(model: LatentModel) -> int:
    """Returns how many positions the decoder has for each latent."""
    own: int | None = getattr(model, "positions_per_latent", None)
    return own or model.chunk


Record = TypeVar("Record", EncodedSource, Latents, LatentCodes)


def sum_code_scores(logp: Tensor, codes: LatentCodes, end: int) -> Tensor:
    """Sums log p of codes and of their end.

    Args:
        logp: (B, L + 1, G, K + 1), of every code after those before it.
        codes: (B, L, G), and mask.
        end: the end-of-codes symbol.

    Shape: (B,).
    """
    steps = logp[:, :-1].gather(-1, codes.codes.unsqueeze(-1)).squeeze(-1)
    lengths = codes.mask.sum(dim=1, keepdim=True)
    ends = logp[:, :, 0, end].gather(1, lengths).squeeze(1)
    return (steps.sum(dim=-1) * codes.mask).sum(dim=1) + ends


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


def pad_to_chunks(tokens: Tensor, *, chunk: int, pad: int) -> Tensor:
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
    device: torch.device, length: int, *, vocabulary: int, logits: int = 0
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


def row_slices(rows: int, *, count: int) -> list[slice]:
    """Cuts rows into slices of at most `count`."""
    return [slice(i, i + count) for i in range(0, rows, count)]


def pieces(lengths: Tensor, vocabulary: int, *, logits: int = 0) -> list[Tensor]:
    """Parts rows of words into pieces of similar length whose logits fit.

    Args:
        lengths: words of each row, (R,).
        vocabulary: V.
        logits: see `rows_at_once`.

    Returns:
        The numbers of the rows of each piece, the longest first.
    """
    order = lengths.argsort(descending=True, stable=True)
    sizes, parts, start = lengths[order].tolist(), [], 0
    while start < len(sizes):
        end = start + rows_at_once(
            lengths.device, sizes[start], vocabulary=vocabulary, logits=logits
        )
        parts.append(order[start:end])
        start = end
    return parts


def device_of(model: object) -> torch.device:
    """Returns where a model computes; an exported one has no parameters to tell it."""
    own: torch.device | None = getattr(model, "device", None)
    if own is not None:
        return own
    assert isinstance(model, torch.nn.Module), "a model must say where it computes"
    return next(model.parameters()).device
