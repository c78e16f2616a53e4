"""Beam search over codes, exact in the slices of a step."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..flow import CodePredictor, EncodedSource, LatentCodes
from .limits import NEVER, CodeBounds, Limits, SearchOptions, picked


class Finished(NamedTuple):
    """Sequences of codes; W for each sentence, the best first."""

    rank: Tensor  # (B, W) score / steps^penalty; -inf where there is none
    score: Tensor  # (B, W) log p
    codes: Tensor  # (B, W, L, G)
    lengths: Tensor  # (B, W)


class BeamSearch:
    """Keeps the W best unfinished sequences of each sentence, and the W best finished.

    The G codes of a step count as one symbol: of the K^G combinations the W best are
    found exactly, slice by slice. Every sequence may end at every step. A sentence is
    done when W of its sequences have ended among the W best of their step, or when no
    unfinished sequence can become better than the finished ones. With W = K^L this is
    the exhaustive search over sequences of up to L codes.

    Args:
        predictor: p(codes | source), one step at a time.
        source: B encoded sentences.
        bounds: their shortest and longest sequences.
        options: width W, that of the beam, and length penalty.
    """

    def __init__(
        self,
        predictor: CodePredictor[Any],
        source: EncodedSource,
        bounds: CodeBounds,
        options: SearchOptions,
    ) -> None:
        self.predictor, self.bounds = predictor, bounds
        self.width, self.penalty = options.beam_width, options.length_penalty
        self.limits, self.state = Limits(bounds), predictor.start(source)
        size, device = len(bounds.most), bounds.most.device
        self.rows = torch.arange(size, device=device)  # the sentences that are left
        self.live = source.states.new_zeros(size, 1, dtype=torch.float32)
        self.prefix = self.rows.new_zeros(size, 1, 0, predictor.slices)
        empty = self.live.new_full((size, self.width), NEVER)
        lengths = self.rows.new_zeros(size, self.width)
        longest = self.limits.longest
        codes = self.rows.new_zeros(size, self.width, longest, predictor.slices)
        if not bounds.ends:  # where there is nothing to search, nothing is paid
            none = bounds.most.eq(0).unsqueeze(1) & lengths[:1].cumsum(1).eq(0)
            empty = empty.masked_fill(none, 0.0)
        self.finished = Finished(empty, empty, codes, lengths)
        self.results = self.finished
        self.ends = self.rows.new_zeros(size)

    def run(self) -> LatentCodes:
        """Searches until every sentence is done."""
        previous = None
        for position in range(self.limits.longest + self.bounds.ends):
            logits, self.state = self.predictor.step(self.state, previous)
            before = self.rows, self.live.size(1)
            parents = self._advance(self.predictor.log_probs(logits), position)
            if not len(self.rows):
                break
            moved = self.rows is not before[0] or self.live.size(1) != before[1]
            self.state = self.state.take(parents, source=moved)
            previous = self.prefix[:, :, -1].flatten(0, 1)
        return self._results()

    def _advance(self, logp: Tensor, position: int) -> Tensor:
        """Makes one step, and returns which rows of the state go on. Shape: (R,)."""
        count, width = self.live.shape
        rows = self.rows.repeat_interleave(width)
        logp = self.limits.forbid(logp, position, end=self.predictor.end, rows=rows)
        logp = logp.unflatten(0, (count, width))  # (B, w, G, K + 1)
        gains, symbols = joint_best(logp[..., :-1], self.width)
        scores = self.live.unsqueeze(-1) + gains  # (B, w, m)
        ends = self.live + logp[:, :, 0, -1]  # (B, w)
        if self.bounds.ends:
            self._finish(ends, length=position, steps=position + 1)
            self._count_ends(ends, scores)
        best, index = scores.flatten(1).topk(
            min(self.width, scores[0].numel()), dim=1
        )  # (B, w')
        parents = index // scores.size(2)
        chosen = symbols.flatten(1, 2).gather(1, expand(index, symbols.size(-1)))
        kept = self.prefix.gather(
            1, parents[:, :, None, None].expand(-1, -1, *self.prefix.shape[2:])
        )
        self.live = best
        self.prefix = torch.cat([kept, chosen.unsqueeze(2)], dim=2)
        if not self.bounds.ends:
            full = picked(self.bounds.most, self.rows).eq(position + 1)
            ending = best.masked_fill(~full.unsqueeze(1), NEVER)
            self._finish(ending, length=position + 1, steps=position + 1)
        offsets = torch.arange(count, device=best.device).unsqueeze(1) * width
        return self._leave(parents + offsets, position)

    def _finish(self, scores: Tensor, *, length: int, steps: int) -> None:
        """Lets the live sequences end. Shape: scores (B, w), -inf where they do not."""
        finished, width = self.finished, scores.size(1)
        codes = finished.codes.new_zeros(len(scores), width, *finished.codes.shape[2:])
        codes[:, :, :length] = self.prefix
        ended = Finished(
            scores / steps**self.penalty,
            scores,
            codes,
            torch.full_like(finished.lengths[:, :1], length).expand(-1, width),
        )
        both = Finished(*(torch.cat(pair, dim=1) for pair in zip(finished, ended)))
        rank, index = both.rank.topk(self.width, dim=1)
        self.finished = Finished(
            rank,
            both.score.gather(1, index),
            both.codes.gather(
                1, index[:, :, None, None].expand(-1, -1, *codes.shape[2:])
            ),
            both.lengths.gather(1, index),
        )

    def _count_ends(self, ends: Tensor, scores: Tensor) -> None:
        """Counts the ends that are among the W best symbols of this step."""
        symbols = torch.cat([ends, scores.flatten(1)], dim=1)
        worst = symbols.topk(min(self.width, symbols.size(1)), dim=1).values[:, -1:]
        self.ends = self.ends + (ends.ge(worst) & ends.gt(NEVER)).sum(dim=1)

    def _leave(self, parents: Tensor, position: int) -> Tensor:
        """Takes the sentences that are done out of the batch."""
        most = picked(self.bounds.most, self.rows)
        steps = (most + self.bounds.ends).float()
        hope = self.live[:, 0] / steps**self.penalty  # if nothing more had to be paid
        done = most.le(position + (not self.bounds.ends)) | self.ends.ge(self.width)
        done = done | self.finished.rank[:, -1].ge(hope)
        if not bool(done.any()):
            return parents.flatten()
        gone = self.rows[done]
        self.results = Finished(
            *(
                all_rows.index_copy(0, gone, here[done])
                for all_rows, here in zip(self.results, self.finished)
            )
        )
        stay = ~done
        self.rows, self.ends = self.rows[stay], self.ends[stay]
        self.live, self.prefix = self.live[stay], self.prefix[stay]
        self.finished = Finished(*(t[stay] for t in self.finished))
        return parents[stay].flatten()

    def _results(self) -> LatentCodes:
        results = self.results
        missing = results.rank.eq(NEVER)
        index = torch.arange(self.width, device=missing.device).expand_as(missing)
        index = index.masked_fill(missing, 0)  # the best once more
        lengths = results.lengths.gather(1, index).flatten()
        codes = results.codes.gather(
            1, index[:, :, None, None].expand_as(results.codes)
        ).flatten(0, 1)
        places = torch.arange(int(lengths.max()), device=lengths.device)
        mask = places < lengths.unsqueeze(1)
        return LatentCodes(
            codes[:, : mask.size(1)] * mask.unsqueeze(-1),
            mask,
            results.score.gather(1, index).flatten(),
        )


def joint_best(logp: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the best combinations of one code per slice.

    The best combinations of the first g + 1 slices begin with one of the best
    combinations of the first g, so that no others need to be kept.

    Args:
        logp: (…, G, K).
        count: how many combinations, m = min(count, K^G).

    Returns:
        Scores (…, m), best first, and codes (…, m, G).
    """
    slices = logp.unbind(dim=-2)
    scores, best = slices[0].topk(min(count, logp.size(-1)), dim=-1)
    codes = best.unsqueeze(-1)
    for one in slices[1:]:
        gains, best = one.topk(min(count, one.size(-1)), dim=-1)
        sums = (scores.unsqueeze(-1) + gains.unsqueeze(-2)).flatten(-2)
        scores, index = sums.topk(min(count, sums.size(-1)), dim=-1)
        before, now = index // gains.size(-1), index % gains.size(-1)
        codes = codes.gather(-2, expand(before, codes.size(-1)))
        codes = torch.cat([codes, best.gather(-1, now).unsqueeze(-1)], dim=-1)
    return scores, codes


def expand(index: Tensor, size: int) -> Tensor:
    """Repeats an index along a new last dimension."""
    return index.unsqueeze(-1).expand(*index.shape, size)
