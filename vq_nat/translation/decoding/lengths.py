"""How long an output may be: from the words of its source to a number of codes."""

from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..flow import EncodedSource
from .search import CodeBounds

# Words of a sentence that none but a model caught in a loop writes: 2 S + 20.
LOOP_FACTOR, LOOP_EXTRA = 2, 20


class LengthRule(NamedTuple):
    """How many words an output may have, S being the words of its source.

    Between least · S and the smallest of most · S and a · S + b; with `fixed`, exactly
    fixed · S, as in the authors' code, which does not predict the length. `guarded`
    cuts off, besides, what never ends by itself: one such sentence holds up its batch.
    """

    a: float = 0.0
    b: float = 200.0
    least: float = 0.0
    most: float = 0.0  # 0 = no bound
    fixed: float = 0.0  # 0 = the end of codes decides
    guarded: bool = False  # at most 2 S + 20, if that is above least · S

    def check(self) -> "LengthRule":
        """Returns itself.

        Raises:
            ValueError: for lengths that cannot be.
        """
        for name, value in (
            ("min_length_ratio", self.least),
            ("max_length_ratio", self.most),
            ("length_ratio", self.fixed),
        ):
            if not 0 <= value < inf:
                raise ValueError(
                    f"`{name}` must be at least 0 and finite, but is {value} instead."
                )
        if self.most and self.least > self.most:
            raise ValueError(
                f"`min_length_ratio` must be at most `max_length_ratio` ({self.most}), "
                f"but is {self.least} instead."
            )
        return self

    def bounds(self, source: EncodedSource, words_per_code: int) -> CodeBounds:
        """Turns the rule into numbers of codes. Shape: (B,)."""
        lengths = source.mask.sum(dim=1)
        if self.fixed:
            exact = codes_for(lengths * self.fixed, words_per_code)
            return CodeBounds(exact, exact, ends=False)
        most = lengths * self.a + self.b
        if self.most:
            most = torch.minimum(most, lengths * self.most)
        if self.guarded:
            loop = LOOP_FACTOR * lengths + LOOP_EXTRA
            most = torch.minimum(most, loop.clamp(min=lengths * self.least))
        return CodeBounds(
            codes_for(lengths * self.least, words_per_code),
            codes_for(most, words_per_code),
        )


def codes_for(words: Tensor, words_per_code: int) -> Tensor:
    """Returns how many codes hold so many words, at least one."""
    return (words / words_per_code).ceil().long().clamp(min=1)
