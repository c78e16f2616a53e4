"""New drafts of sentences whose beginning is known and whose rest is open.

Chunks whose words are all known keep the codes of these words; the codes after them are
searched for, and the decoder is shown the known words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..flow import CodePredictor, EncodedSource, LatentModel, take
from .generator import IterativeLatentGenerator
from .search import EndsInACode, search


class ForcedState(NamedTuple):
    """A predictor's state, and the codes that are given."""

    inner: Any
    codes: Tensor  # (R, L, G)
    counts: Tensor  # (R,), how many of them
    position: int

    def take(self, rows: Tensor, source: bool) -> ForcedState:
        """Takes rows of the batch."""
        inner = self.inner.take(rows, source)
        return ForcedState(inner, self.codes[rows], self.counts[rows], self.position)


class ForcedPredictor:
    """A predictor whose first codes are given: they have probability 1.

    Args:
        predictor: of a model.
        codes: (R, L, G).
        counts: (R,), how many of each row are given.
    """

    def __init__(
        self, predictor: CodePredictor[Any], codes: Tensor, counts: Tensor
    ) -> None:
        self.predictor, self.given, self.counts = predictor, codes, counts
        self.slices, self.codes = predictor.slices, predictor.codes
        self.max_latents, self.end = predictor.max_latents, predictor.end
        self.log_probs = predictor.log_probs
        if isinstance(predictor, EndsInACode):
            self.last_code = predictor.last_code

    def start(self, source: EncodedSource) -> ForcedState:
        """Returns the state before the first step."""
        return ForcedState(self.predictor.start(source), self.given, self.counts, 0)

    def step(
        self, state: ForcedState, previous: Tensor | None
    ) -> tuple[Tensor, ForcedState]:
        """Returns logits, which leave only what is given, and the next state."""
        logits, inner = self.predictor.step(state.inner, previous)
        place = state.position
        if place < state.codes.size(1):
            forced = state.counts > place
            only = torch.full_like(logits, -float("inf"))
            only.scatter_(-1, state.codes[:, place].unsqueeze(-1), 0.0)
            logits = torch.where(forced[:, None, None], only, logits)
        return logits, state._replace(inner=inner, position=place + 1)


class Redrafter:
    """Drafts the rest of sentences whose beginnings are known.

    Args:
        model: that drafts.
        generator: how it decodes.
        src_tokens: (B, S), the sentences.
    """

    def __init__(
        self,
        model: LatentModel,
        generator: IterativeLatentGenerator,
        src_tokens: Tensor,
    ) -> None:
        self.model, self.generator = model, generator
        self.source = model.encode(src_tokens)

    @torch.no_grad()
    def __call__(self, rows: list[int], beginnings: list[Tensor]) -> list[Tensor]:
        """Returns drafts that begin with the known words.

        Args:
            rows: the numbers of their sentences.
            beginnings: the words that are known of each, without an end of sentence.
        """
        model, pad, chunk = self.model, self.model.pad, self.model.chunk
        known = nn.utils.rnn.pad_sequence(beginnings, True, pad)
        lengths = known.ne(pad).sum(dim=1)
        source = take(self.source, torch.tensor(rows, device=known.device))
        codes = model.true_codes(known, source).codes
        predictor = ForcedPredictor(model.predictor, codes, lengths // chunk)
        bounds = self.generator.lengths.bounds(source, chunk)
        least = torch.maximum(bounds.least, lengths // chunk + 1)
        latents = search(predictor, source, bounds._replace(least=least))
        width = latents.mask.size(1) * chunk
        words = known.new_full((len(rows), width), pad)
        size = min(width, known.size(1))
        words[:, :size] = known[:, :size]
        shown = words.ne(pad) if model.sees_words else None
        guess = self.generator._decode(
            model,
            model.lookup(latents),
            source,
            words if shown is not None else None,
            shown,
        )
        tokens, _, ends = self.generator._cut(guess)
        return [
            torch.cat([begin, row[len(begin) : int(end)]])
            for begin, row, end in zip(beginnings, tokens, ends)
        ]
