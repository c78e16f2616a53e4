"""The end of CTC's decoding: from a word or none at every position to a sentence.

R rows, P positions; the other letters are those of `flow`.
"""

import torch
from torch import Tensor

from ..flow import BLANK
from .drafts import WordGuess


def collapse(guess: WordGuess, *, pad: int, eos: int) -> WordGuess:
    """Leaves one word of each run, and no blanks.

    Words and scores are those of the best path (greedy decoding). The score of a word
    is the sum over its run and the blanks before it; blanks behind the last word count
    for that word.

    Args:
        guess: the best word of each position, `BLANK` for none. Shape: (R, P).
        pad: the padding symbol.
        eos: the end of sentence.

    Returns:
        Shape (R, P): each row's words stand on the left, padding behind them.
    """
    tokens, mask = guess.tokens, guess.mask
    before = torch.nn.functional.pad(tokens, (1, 0), value=BLANK)[:, :-1]
    said = tokens.ne(BLANK) & mask
    starts = said & tokens.ne(before)
    counts = starts.sum(dim=1, keepdim=True)
    # The number of its word for each position: blanks belong to the next one.
    number = starts.cumsum(dim=1)
    number = torch.where(said, number - 1, number)
    number = torch.minimum(number, (counts - 1).clamp(min=0))
    places = torch.arange(tokens.size(1), device=tokens.device)
    real = places < counts
    scores = guess.scores.masked_fill(~mask, 0.0)
    summed = torch.zeros_like(scores).scatter_add(1, number, scores)
    words = torch.full_like(tokens, pad)
    words = words.scatter(1, order_of(starts), tokens.masked_fill(~starts, pad))
    ends = torch.where(words.eq(eos), summed, torch.zeros_like(summed))
    return WordGuess(words, summed.masked_fill(~real, 0.0), ends, real)


def order_of(starts: Tensor) -> Tensor:
    """Returns where each position goes: words first, in their order. Shape: (R, P)."""
    order = (~starts).to(torch.uint8).argsort(dim=1, stable=True)
    return order.argsort(dim=1)
