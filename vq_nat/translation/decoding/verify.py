"""Draft and verify: what an autoregressive model would write, in fewer passes.

A draft of the whole sentence is read in one pass of an autoregressive model, which says
at every position what it would have written there. The longest beginning that it would
have written itself is right, and so is its own word after that; the rest is drafted
again, and read again (Xia et al. 2022, arXiv 2203.16487; Stern et al. 2018, arXiv
1811.03115). The result is the model's greedy output, whatever the drafts: they decide
about the number of passes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .rescoring import TeacherScore

MAX_LEN_B = 200  # words of the longest output, as fairseq has it


class Verified(NamedTuple):
    """What the verifying model writes, and how it came about."""

    tokens: Tensor  # (T,), its end of sentence included
    scores: Tensor  # (T,) log p of each under the verifying model
    gained: tuple[int, ...]  # words of each pass; their number is that of the passes


# Numbers of sentences, and the words that are known of each, to drafts of them.
Redraft = Callable[[list[int], list[Tensor]], list[Tensor]]


class Tolerance(NamedTuple):
    """Which drafted words pass although the model would have written others.

    A word passes that is among the `best` of its position and at most `margin` (nats)
    less probable than the first of them. The default lets none pass.
    """

    best: int = 1
    margin: float = inf

    def check(self) -> Tolerance:
        """Returns itself.

        Raises:
            ValueError: for values that cannot be.
        """
        if self.best < 1:
            raise ValueError(f"`best` must be at least 1, but is {self.best} instead.")
        if not self.margin >= 0:
            raise ValueError(
                f"`margin` must not be negative, but is {self.margin} instead."
            )
        return self


EXACT = Tolerance()


class Verifier:
    """Turns drafts into the greedy output of an autoregressive model.

    After a difference the rest is drafted again around what is known; without a way to
    do so it is what the model itself has just said of the positions behind it, although
    it has read a wrong word before them: a step of Jacobi's iteration (Santilli et al.
    2023, arXiv 2305.10427), which is cheap but cannot shift words.

    Args:
        model: an autoregressive fairseq model with the dictionaries of the draft.
        tgt_dict: target dictionary.
        tolerance: what else passes.
    """

    def __init__(
        self, model: nn.Module, tgt_dict: Any, tolerance: Tolerance = EXACT
    ) -> None:
        self.reader = TeacherScore(model, tgt_dict)
        self.pad, self.eos = tgt_dict.pad(), tgt_dict.eos()
        self.tolerance = tolerance.check()
        positions = getattr(model, "max_decoder_positions", lambda: MAX_LEN_B + 1)()
        self.longest = min(MAX_LEN_B, positions - 1)

    @torch.no_grad()
    def verify(
        self, src_tokens: Tensor, drafts: list[Tensor], redraft: Redraft | None = None
    ) -> list[Verified]:
        """Verifies a batch.

        Args:
            src_tokens: (B, S), padded on either side.
            drafts: B drafts, with or without an end of sentence.
            redraft: what drafts the rest after a difference; None = the model's own
                words of the last pass.

        Returns:
            For each sentence the model's own translation.
        """
        self.reader.teacher.eval()
        encoded = self.reader.encode(src_tokens)
        drafts = [self._ended(draft[: self.longest]) for draft in drafts]
        gained: list[list[int]] = [[] for _ in drafts]
        known = [0] * len(drafts)
        found: dict[int, Verified] = {}
        rows = list(range(len(drafts)))
        while rows:
            words = nn.utils.rnn.pad_sequence(
                [drafts[row] for row in rows], True, self.pad
            )
            owners = torch.tensor(rows, device=words.device)
            logp = self._allowed(self.reader.read(encoded, words, owners))
            right = self._beginnings(logp, words)
            for place, row in enumerate(rows):
                # What is known stays, whatever another length does to the rounding.
                length = min(max(right[place], known[row]), len(drafts[row]))
                own = logp[place, : len(drafts[row])]
                drafts[row] = self._next(drafts[row], length, own.argmax(dim=-1))
                now = min(length + 1, len(drafts[row]))
                gained[row].append(now - known[row])
                known[row] = now
                if int(drafts[row][now - 1]) == self.eos:
                    tokens = drafts[row][:now]
                    scores = own[:now].gather(1, tokens.unsqueeze(1)).squeeze(1)
                    found[row] = Verified(tokens, scores, tuple(gained[row]))
            rows = [row for row in rows if row not in found]
            if redraft is not None and rows:
                again = redraft(rows, [drafts[row][: known[row]] for row in rows])
                for row, draft in zip(rows, again):
                    drafts[row] = self._ended(draft[: self.longest])
        return [found[row] for row in range(len(drafts))]

    def _allowed(self, logits: Tensor) -> Tensor:
        """Returns log p of what fairseq's greedy search may write. Shape: (R, T, V)."""
        logp = logits.log_softmax(dim=-1)
        logp[..., self.pad] = -inf
        logp[:, 0, self.eos] = -inf  # at least one word
        if logp.size(1) > self.longest:
            ends = logp[:, self.longest, self.eos].clone()
            logp[:, self.longest] = -inf
            logp[:, self.longest, self.eos] = ends
        return logp

    def _beginnings(self, logp: Tensor, words: Tensor) -> list[int]:
        """Counts the first words of each row that pass. Shape: (R, T, V), (R, T)."""
        best = logp.topk(self.tolerance.best, dim=-1)
        passes = best.indices.eq(words.unsqueeze(-1))
        passes &= best.values >= best.values[..., :1] - self.tolerance.margin
        return passes.any(dim=-1).int().cumprod(dim=1).sum(dim=1).tolist()

    def _next(self, draft: Tensor, right: int, own: Tensor) -> Tensor:
        """Returns the words that are right, the model's own one, and a new rest.

        Args:
            draft: (T,).
            right: how many of its words are.
            own: (T,), what the model says at each position.
        """
        if right == len(draft):
            return draft
        return self._ended(torch.cat([draft[:right], own[right:]])[: self.longest])

    def _ended(self, words: Tensor) -> Tensor:
        """Cuts words off at their first end, or adds one. Shape: (T,)."""
        ends = words.eq(self.eos).nonzero()
        if len(ends):
            return words[: int(ends[0]) + 1]
        return torch.cat([words, words.new_tensor([self.eos])])
