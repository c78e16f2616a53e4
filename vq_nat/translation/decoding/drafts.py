"""Candidates between two passes: their codes and the words so far, row by row.

R rows, one per candidate; the other letters are those of `flow`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow import LatentCodes, take, word_mask


class WordGuess(NamedTuple):
    """The words so far and how sure the model is of each."""

    tokens: Tensor  # (R, T), padding where the mask is False
    scores: Tensor  # (R, T) log-probabilities
    ends: Tensor  # (R, T) log-probabilities of an end of sentence instead
    mask: Tensor  # (R, T)

    def padded(self, length: int, *, pad: int) -> "WordGuess":
        """Adds positions of padding, or cuts them off. Shape: (R, T) → (R, length)."""
        values = (pad, 0, 0, 0)
        fields = (lengthen(x, length, value) for x, value in zip(self, values))
        return WordGuess(*fields)


class Draft(NamedTuple):
    """One candidate per row: its codes and its words."""

    codes: LatentCodes
    guess: WordGuess

    def steps(self) -> Tensor:
        """Returns how many passes each row has gone through yet: none."""
        return torch.zeros_like(self.codes.mask[:, 0], dtype=torch.long)


def take_draft(draft: Draft, rows: Tensor) -> Draft:
    """Takes rows of a draft."""
    guess = WordGuess(*(field.index_select(0, rows) for field in draft.guess))
    return Draft(take(draft.codes, rows), guess)


def put_draft(draft: Draft, part: Draft, rows: Tensor, pad: int) -> Draft:
    """Puts the rows of `part` into `draft`."""
    if len(rows) == len(draft.guess.tokens):
        return part
    guess = put_rows(draft.guess, part.guess, rows, (pad, 0, 0, 0))
    codes = put_rows(draft.codes, part.codes, rows, (0, 0, 0))
    return Draft(LatentCodes(*codes), WordGuess(*guess))


def put_rows(
    record: tuple[Tensor, ...],
    part: tuple[Tensor, ...],
    rows: Tensor,
    padding: tuple[int, ...],
) -> list[Tensor]:
    """Puts rows into each field; the shorter side is lengthened by padding."""
    fields = []
    for old, new, value in zip(record, part, padding):
        if old.dim() > 1:
            length = max(old.size(1), new.size(1))
            old, new = lengthen(old, length, value), lengthen(new, length, value)
        fields.append(old.index_copy(0, rows, new))
    return fields


def lengthen(x: Tensor, length: int, value: float = 0) -> Tensor:
    """Adds positions, or cuts them off. Shape: (R, T, …) → (R, length, …)."""
    behind = (0, 0) * (x.dim() - 2)
    return F.pad(x, (*behind, 0, length - x.size(1)), value=value)


def differs(before: Tensor, after: Tensor, pad: int) -> Tensor:
    """Tells which rows have changed. Shape: (R, T), (R, T') → (R,)."""
    length = max(before.size(1), after.size(1))
    return lengthen(before, length, pad).ne(lengthen(after, length, pad)).any(dim=1)


def cut_off(guess: WordGuess, most: Tensor, pad: int) -> WordGuess:
    """Keeps the first `most` (R,) words of each row, and adds the score of an end."""
    places = torch.arange(guess.mask.size(1), device=most.device)
    shorter = within(guess, guess.mask & (places < most.unsqueeze(1)), pad)
    return shorter._replace(ends=guess.ends)


def within(guess: WordGuess, mask: Tensor, pad: int) -> WordGuess:
    """Leaves the words of a mask. Shape: (R, T)."""
    hidden = ~mask
    return WordGuess(
        guess.tokens.masked_fill(hidden, pad),
        guess.scores.masked_fill(hidden, 0.0),
        guess.ends.masked_fill(hidden, 0.0),
        mask,
    )


def fit(guess: WordGuess, codes: LatentCodes, *, chunk: int, pad: int) -> WordGuess:
    """Lays words out over the positions of new codes."""
    mask = word_mask(codes.mask, chunk)
    length = mask.size(1)
    return within(guess.padded(length, pad=pad), mask, pad)


def most_likely(logits: Tensor, logp: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the best words and their log p. Shape: (…, V), (…, V) → (…), (…)."""
    tokens = largest(logits)
    return tokens, logp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def largest(logits: Tensor) -> Tensor:
    """Tells where the last dimension is largest. Shape: (…, V) → (…)."""
    if logits.device.type != "cpu":
        return logits.argmax(dim=-1)
    # numpy's search is vectorised: an eighth of torch's time.
    return torch.from_numpy(logits.detach().numpy().argmax(axis=-1))
