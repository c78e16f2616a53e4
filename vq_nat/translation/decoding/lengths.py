"""How long an output may be: from the words of its source to a number of codes."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from ..flow import EncodedSource
from .limits import CodeBounds

# More words than this, 2 S + 20, are only written by a model caught in a loop.
LOOP_FACTOR, LOOP_EXTRA = 2, 20


class LengthRule(NamedTuple):
    """How many words an output may have, S being the words of its source.

    Between least · S and the smallest of most · S and a · S + b; with `fixed`, exactly
    fixed · S, as in the authors' code, which does not predict the length. `guarded`
    also cuts off what never ends by itself: one such sentence would delay its whole
    batch. The values are checked by `DecodingOptions`.
    """

    a: float = 0.0
    b: float = 200.0
    least: float = 0.0
    most: float = 0.0  # 0 = no bound
    fixed: float = 0.0  # 0 = the end of codes decides
    guarded: bool = False  # at most 2 S + 20, if that is above least · S
    shortest: int = 1  # words, their end not counted

    def bounds(self, source: EncodedSource, words_per_code: int) -> CodeBounds:
        """Turns the rule into numbers of codes. Shape: (B,)."""
        lengths = source.mask.sum(dim=1)
        if self.fixed:
            exact = codes_for(lengths * self.fixed, words_per_code)
            return CodeBounds(exact, exact, ends=False)
        room = self.shortest + (self.shortest > 1)  # for the end as well
        least = (lengths * self.least).clamp(min=room)
        most = self._most(lengths)
        if self.guarded:
            loop = LOOP_FACTOR * lengths + LOOP_EXTRA
            most = torch.minimum(most, loop.clamp(min=least))
        return CodeBounds(
            codes_for(least, words_per_code), codes_for(most, words_per_code)
        )

    def keep_open(
        self, logits: Tensor, ends: list[int], given: Optional[Tensor] = None
    ) -> None:
        """Lets no output end, in place, before its fewest words.

        The end that a code is stays: where the bounds contradict each other, as of
        these words and of the source's, the upper one holds.

        Args:
            logits: (B, T, V).
            ends: what may stand at no place before.
            given: (B, T) bool, places whose words codes are; None = there are none.
        """
        early = logits[:, : self.shortest]
        if given is None:
            early[..., ends] = -torch.inf
        else:
            free = ~given[:, : self.shortest, None]
            early[..., ends] = early[..., ends].masked_fill(free, -torch.inf)

    def _most(self, lengths: Tensor) -> Tensor:
        most = lengths * self.a + self.b
        return torch.minimum(most, lengths * self.most) if self.most else most

    def words(self, source: EncodedSource, length: int, room: int) -> Optional[Tensor]:
        """Returns how many words each output may have, its end not counted.

        Args:
            source: the sentences.
            length: T, positions of words.
            room: words that the model has positions for: a last chunk reaches beyond.

        Returns:
            (B,), or None where no output of T words can be too long.
        """
        free = bool(self.fixed) or (length <= self.b and not self.most)
        if free and length <= room:
            return None
        lengths = source.mask.sum(dim=1)
        if free:
            return torch.full_like(lengths, room)
        return self._most(lengths).long().clamp(max=room)


def codes_for(words: Tensor, words_per_code: int) -> Tensor:
    """Returns how many codes hold so many words, at least one."""
    return (words / words_per_code).ceil().long().clamp(min=1)
