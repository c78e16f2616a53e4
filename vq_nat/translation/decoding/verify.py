"""Draft and verify: what an autoregressive model would write, in fewer passes.

A draft of the whole sentence is read in one pass of an autoregressive model, which says
at every position what it would have written there. The longest beginning that it would
have written itself is right, and so is its own next word; the rest is drafted again,
and read again (Xia et al. 2022, arXiv 2203.16487; Stern et al. 2018, arXiv 1811.03115).
The result is the model's greedy output for every draft: drafts only change the number
of passes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor, nn

from ..flow import Candidate
from .lengths import LengthRule
from .rescoring import Candidates, Rescorer, TeacherScore, now


class Verified(NamedTuple):
    """What the verifying model writes, and how it came about."""

    tokens: Tensor  # (T,), its end of sentence included
    scores: Tensor  # (T,) log p of each under the verifying model
    gained: tuple[int, ...]  # words of each pass; their number is that of the passes


# Numbers of sentences, and the words that are known of each, to drafts of them.
Redraft = Callable[[list[int], list[Tensor]], list[Tensor]]


class Tolerance(NamedTuple):
    """Which drafted words pass although the model would have written others.

    A word passes if it is among the `best` ones of its position and at most `margin`
    (nats) less probable than the first of them. By default none passes.
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
USUAL = LengthRule()


class Verifier:
    """Turns drafts into the greedy output of an autoregressive model.

    After a difference the rest is drafted again around the known words. If nothing can
    draft it, the rest is what the model has just predicted for these positions,
    although it has read a wrong word before them: a step of Jacobi's iteration
    (Santilli et al. 2023, arXiv 2305.10427), which is cheap but cannot shift words.

    Args:
        model: an autoregressive fairseq model with the dictionaries of the draft.
        tgt_dict: target dictionary.
        tolerance: what else passes.
        lengths: at most a · S + b words, and at least `shortest`; its other fields have
            no meaning for such a model.
    """

    def __init__(
        self,
        model: nn.Module,
        tgt_dict: Any,
        tolerance: Tolerance = EXACT,
        lengths: LengthRule = USUAL,
    ) -> None:
        self.reader = TeacherScore(model, tgt_dict)
        self.pad, self.eos = tgt_dict.pad(), tgt_dict.eos()
        self.tolerance = tolerance.check()
        self.lengths = lengths
        self.positions = getattr(model, "max_decoder_positions", lambda: inf)()

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
        most = self._longest(src_tokens)
        drafts = [self._ended(draft[:n]) for draft, n in zip(drafts, most)]
        gained: list[list[int]] = [[] for _ in drafts]
        known = [0] * len(drafts)
        verified: dict[int, Verified] = {}
        rows = list(range(len(drafts)))
        while rows:
            words = nn.utils.rnn.pad_sequence(
                [drafts[row] for row in rows], True, self.pad
            )
            owners = torch.tensor(rows, device=words.device)
            logits = self.reader.read(encoded, words, owners)
            logp = self._allowed(logits, [most[row] for row in rows])
            right = self._beginnings(logp, words)
            for place, row in enumerate(rows):
                # Known words stay: with another length, rounding might change them.
                length = min(max(right[place], known[row]), len(drafts[row]))
                own = logp[place, : len(drafts[row])]
                said = own.argmax(dim=-1)
                drafts[row] = self._next(drafts[row], length, said, most[row])
                now = min(length + 1, len(drafts[row]))
                gained[row].append(now - known[row])
                known[row] = now
                if int(drafts[row][now - 1]) == self.eos:
                    tokens = drafts[row][:now]
                    scores = own[:now].gather(1, tokens.unsqueeze(1)).squeeze(1)
                    verified[row] = Verified(tokens, scores, tuple(gained[row]))
            rows = [row for row in rows if row not in verified]
            if redraft is not None and rows:
                again = redraft(rows, [drafts[row][: known[row]] for row in rows])
                for row, draft in zip(rows, again):
                    drafts[row] = self._ended(draft[: most[row]])
        return [verified[row] for row in range(len(drafts))]

    def _longest(self, src_tokens: Tensor) -> list[int]:
        """Returns how many words each output may have, its end not counted."""
        sizes = src_tokens.ne(self.pad).sum(dim=1).tolist()
        most = [int(self.lengths.a * size + self.lengths.b) for size in sizes]
        return [int(min(words, self.positions - 1)) for words in most]

    def _allowed(self, logits: Tensor, most: list[int]) -> Tensor:
        """Returns log p of what fairseq's greedy search may write.

        Args:
            logits: (R, T, V).
            most: R numbers of words behind which the end must follow.
        """
        logp = logits.log_softmax(dim=-1)
        logp[..., self.pad] = -inf
        ends = logp[..., self.eos].clone()
        logp[:, : self.lengths.shortest, self.eos] = -inf
        for row, words, end in zip(logp, most, ends):
            if len(row) > words:
                row[words] = -inf
                row[words, self.eos] = end[words]
        return logp

    def _beginnings(self, logp: Tensor, words: Tensor) -> list[int]:
        """Counts the first words of each row that pass. Shape: (R, T, V), (R, T)."""
        best = logp.topk(min(self.tolerance.best, logp.size(-1)), dim=-1)
        passes = best.indices.eq(words.unsqueeze(-1))
        passes &= best.values >= best.values[..., :1] - self.tolerance.margin
        return passes.any(dim=-1).int().cumprod(dim=1).sum(dim=1).tolist()

    def _next(self, draft: Tensor, right: int, own: Tensor, most: int) -> Tensor:
        """Returns the words that are right, the model's own one, and a new rest.

        Args:
            draft: (T,).
            right: how many of its words are.
            own: (T,), what the model says at each position.
            most: words that it may have.
        """
        if right == len(draft):
            return draft
        return self._ended(torch.cat([draft[:right], own[right:]])[:most])

    def _ended(self, words: Tensor) -> Tensor:
        """Cuts words off at their first end, or adds one. Shape: (T,)."""
        ends = words.eq(self.eos).nonzero()
        if len(ends):
            return words[: int(ends[0]) + 1]
        return torch.cat([words, words.new_tensor([self.eos])])


class VerifiedDraft:
    """Ranks candidates; the best one is the draft of what the teacher writes.

    Args:
        verifier: holds the teacher.
        by: what ranks the drafts.
        redrafter: makes what drafts the rest of some sources (B, S) after a
            difference; None = the teacher goes on with its own words.
    """

    rewrites = True

    def __init__(
        self,
        verifier: Verifier,
        by: Rescorer,
        redrafter: Callable[[Tensor], Redraft] | None = None,
    ) -> None:
        self.verifier, self.by, self.redrafter = verifier, by, redrafter
        self.teacher: Optional[Any] = verifier.reader.teacher

    def rank(
        self, src_tokens: Tensor, candidates: list[Candidates]
    ) -> list[Candidates]:
        """Returns one candidate for each sentence, in the teacher's words.

        Its `steps` are passes of the teacher, its codes those of the draft. Its
        `teacher_seconds` are those of verifying, with what drafts again between two
        passes, and without what ranked the drafts.
        """
        best = [self.by.rank(src_tokens, [of_one])[0][0] for of_one in candidates]
        start = now(src_tokens.device)
        redraft = None if self.redrafter is None else self.redrafter(src_tokens)
        drafts = [one.tokens for one in best]
        written = self.verifier.verify(src_tokens, drafts, redraft)
        seconds = (now(src_tokens.device) - start) / len(candidates)
        return [[rewritten(*pair, seconds)] for pair in zip(best, written)]


def rewritten(draft: Candidate, words: Verified, seconds: float) -> Candidate:
    """Returns a candidate with the words that were verified, and their scores.

    They stand behind the words of the draft's passes, if these are kept.
    """
    score = float(words.scores.sum())
    return draft._replace(
        tokens=words.tokens,
        positional_scores=words.scores,
        score=score,
        steps=len(words.gained),
        rank_score=None,
        teacher_score=score,
        teacher_seconds=seconds,
        history=(*draft.history, words.tokens) if draft.history else (),
    )
