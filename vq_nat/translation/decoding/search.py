"""The search for the best codes: greedy, beam, or sampling.

It knows of the latent predictor only that it can be stepped. Sentences that have ended
leave the batch, and what is found for a sentence never depends on its neighbours.
"""

from typing import Any, NamedTuple, Optional, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..flow import CodePredictor, EncodedSource, LatentCodes, take

NEVER = -float("inf")


class SearchOptions(NamedTuple):
    """How codes are searched for; the values are checked by `DecodingOptions`."""

    kind: str = "greedy"  # or "beam", "sample", "lengths"
    width: int = 1  # W, the number of sequences found for each sentence
    temperature: float = 1.0  # of sampling
    length_penalty: float = 1.0  # of a beam: score / steps^penalty
    seed: int = 1  # of sampling


GREEDY = SearchOptions()


class CodeBounds(NamedTuple):
    """How many codes a sentence may have, and what draws its samples."""

    least: Tensor  # (B,), at least 1: an empty translation is never the answer
    most: Tensor  # (B,)
    ends: bool = True  # False: `most` codes, and no end of codes is predicted or paid
    keys: Optional[Tensor] = None  # (B,) int64, what a sentence's samples depend on


@runtime_checkable
class SearchesGreedily(Protocol):
    """A predictor that has a faster greedy search of its own."""

    def greedy(self, source: EncodedSource, bounds: CodeBounds) -> LatentCodes:
        """Finds what `ancestral` finds greedily."""


@runtime_checkable
class EndsInACode(Protocol):
    """A predictor whose end of codes is a code of the last chunk as well."""

    last_code: int


def search(
    predictor: CodePredictor[Any],
    source: EncodedSource,
    bounds: CodeBounds,
    options: SearchOptions = GREEDY,
) -> LatentCodes:
    """Finds W sequences of codes for each sentence.

    Args:
        predictor: p(codes | source), one step at a time.
        source: B encoded sentences.
        bounds: their shortest and longest sequences, which need not be those that
            the predictor can serve.
        options: kind and width W of the search.

    Returns:
        B · W sequences, those of a sentence one after the other: a beam's best first;
        where there are fewer than W to find, some once more.
    """
    bounds = within(bounds, predictor.max_latents)
    if isinstance(predictor, EndsInACode):
        bounds = bounds._replace(least=bounds.least - 1, most=bounds.most - 1)
        before = search_within(predictor, source, bounds, options)
        return with_last(before, predictor.last_code)
    return search_within(predictor, source, bounds, options)


def search_within(
    predictor: CodePredictor[Any],
    source: EncodedSource,
    bounds: CodeBounds,
    options: SearchOptions,
) -> LatentCodes:
    """Finds sequences within bounds that the predictor can serve, see `search`."""
    if options.kind == "greedy" and isinstance(predictor, SearchesGreedily):
        return predictor.greedy(source, bounds)
    if options.kind == "beam":
        return BeamSearch(predictor, source, bounds, options).run()
    if options.kind == "lengths":
        return neighbours(predictor, source, bounds, options)
    return ancestral(predictor, source, bounds, options)


def with_last(codes: LatentCodes, code: int) -> LatentCodes:
    """Adds the last chunk's code. Shape: (R, L, G) → (R, L + 1, G)."""
    found = torch.nn.functional.pad(codes.codes, (0, 0, 0, 1))
    rows = torch.arange(len(found), device=found.device)
    found[rows, codes.mask.sum(dim=1)] = code
    mask = torch.nn.functional.pad(codes.mask, (1, 0), value=True)
    return LatentCodes(found, mask, codes.score)


def within(bounds: CodeBounds, longest: int) -> CodeBounds:
    """Keeps bounds from 1 to `longest`, the longest first."""
    most = bounds.most.clamp(1, longest)
    least = torch.minimum(bounds.least.clamp(min=1), most)
    return bounds._replace(least=least, most=most)


def neighbours(
    predictor: CodePredictor[Any],
    source: EncodedSource,
    bounds: CodeBounds,
    options: SearchOptions,
) -> LatentCodes:
    """Searches greedily with W lengths: the predicted one, and those next to it."""
    greedy = ancestral(predictor, source, bounds, options)
    rows = torch.arange(len(bounds.most), device=bounds.most.device)
    steps = [(i + 1) // 2 * (1 if i % 2 else -1) for i in range(options.width)]
    lengths = greedy.mask.sum(dim=1, keepdim=True) + rows.new_tensor(steps)
    lengths = torch.maximum(lengths, bounds.least.unsqueeze(1))
    lengths = torch.minimum(lengths, bounds.most.unsqueeze(1)).flatten()
    source = take(source, rows.repeat_interleave(options.width))
    return ancestral(predictor, source, CodeBounds(lengths, lengths), options)


# ------------------------------------------------------------------ greedy and sampling


def ancestral(
    predictor: CodePredictor[Any],
    source: EncodedSource,
    bounds: CodeBounds,
    options: SearchOptions,
) -> LatentCodes:
    """Takes one code after the other: the most probable, or a draw.

    A draw is the largest of log p / temperature + Gumbel noise, so that both are one
    `argmax`. `score` is log p at temperature 1 in either case.
    """
    state, previous, rows, noise = predictor.start(source), None, None, None
    if options.kind == "sample":
        copies = torch.arange(len(bounds.most), device=bounds.most.device)
        state = state.take(copies.repeat_interleave(options.width), source=True)
        bounds = widen(bounds, options)
        noise = GumbelNoise(bounds, options)
    size, slices, limits = len(bounds.most), predictor.slices, Limits(bounds)
    score = source.states.new_zeros(size, dtype=torch.float32)
    running = torch.ones_like(bounds.most, dtype=torch.bool)
    codes, masks = [], []
    for position in range(limits.longest + bounds.ends):
        logits, state = predictor.step(state, previous)
        logp = limits.forbid(predictor.log_probs(logits), position, predictor.end, rows)
        if noise is None:
            gain, symbol = logp.max(dim=-1)  # (R, G)
        else:
            belief = logp / options.temperature + noise(position, logp.shape, rows)
            symbol = belief.argmax(dim=-1)
            gain = logp.gather(-1, symbol.unsqueeze(-1)).squeeze(-1)
        gain = gain.sum(dim=-1)
        ended = symbol[:, 0].eq(predictor.end)
        if slices > 1:
            gain = torch.where(ended, logp[:, 0, predictor.end], gain)
        ended = limits.over(ended, position, rows)
        goes_on = running & ~ended
        score = scatter_add(score, gain * (running if bounds.ends else goes_on), rows)
        running = goes_on
        left = int(running.sum())
        if not left:
            break
        previous = symbol * running.unsqueeze(1)
        codes.append(scatter(previous, rows, size))
        masks.append(scatter(running, rows, size))
        if 2 * left <= len(running):  # half of them have ended: the rest goes on alone
            alive = running.nonzero().squeeze(1)
            state, previous = state.take(alive, source=True), previous[alive]
            rows = alive if rows is None else rows[alive]
            running = running[alive]
    if not codes:  # where the end may come first
        none = running.new_zeros(size, 0)
        return LatentCodes(none.unsqueeze(2).expand(-1, -1, slices).long(), none, score)
    return LatentCodes(torch.stack(codes, 1), torch.stack(masks, 1), score)


class Limits:
    """Keeps the lengths of B sentences within their bounds.

    The shortest and longest bound are known as numbers, so that a step in between asks
    nothing of the device.
    """

    def __init__(self, bounds: CodeBounds) -> None:
        self.bounds = bounds
        figures = [bounds.least.max(), bounds.most.min(), bounds.most.max()]
        self.late, self.early, self.longest = torch.stack(figures).tolist()

    def forbid(
        self, logp: Tensor, position: int, end: int, rows: Optional[Tensor] = None
    ) -> Tensor:
        """Leaves only what is allowed at a position. Shape: (R, G, K + 1)."""
        if not self.bounds.ends:
            logp[:, 0, end] = NEVER
            return logp
        if position < self.late:
            too_short = picked(self.bounds.least, rows) > position
            logp[:, 0, end].masked_fill_(too_short, NEVER)
        if position >= self.early:
            full = picked(self.bounds.most, rows) <= position
            logp[:, 0, :end].masked_fill_(full.unsqueeze(1), NEVER)
        return logp

    def over(self, ended: Tensor, position: int, rows: Optional[Tensor]) -> Tensor:
        """Tells which sentences have ended. Shape: (R,)."""
        if self.bounds.ends or position < self.early:
            return ended
        return picked(self.bounds.most, rows) <= position


class GumbelNoise:
    """Gumbel noise that depends on a sentence's key, sample and position alone.

    Drawn from a generator, it would depend on the sentence's place in the batch. Here
    each number is a hash of its coordinates (the finaliser of SplitMix64, Steele et
    al. 2014).
    """

    def __init__(self, bounds: CodeBounds, options: SearchOptions) -> None:
        if bounds.keys is None:
            raise ValueError("`keys` must be given to sample, but are None instead.")
        self.keys = mix(bounds.keys + options.seed)

    def __call__(
        self, position: int, shape: torch.Size, rows: Optional[Tensor]
    ) -> Tensor:
        """Returns noise for one step. Shape: (R, G, K + 1)."""
        _, slices, symbols = shape
        keys = mix(picked(self.keys, rows) + position)
        cells = torch.arange(slices * symbols, device=keys.device)
        bits = mix(keys.unsqueeze(1) + cells * GOLDEN).view(-1, slices, symbols)
        uniform = ((bits >> 11) & (2**53 - 1)).double().add(0.5) / 2**53
        return -(-uniform.log()).log().float()


GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # 2^64 / φ, as a signed number


def mix(x: Tensor) -> Tensor:
    """Hashes int64 numbers, overflow intended."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ ((x >> shift) & (2 ** (64 - shift) - 1))) * (factor - 2**64)
    return x ^ ((x >> 31) & (2**33 - 1))


def sentence_keys(tokens: Tensor, pad: int) -> Tensor:
    """Hashes left-aligned sentences, whatever their padding. Shape: (B, S) → (B,)."""
    places = torch.arange(tokens.size(1), device=tokens.device) + 1
    return (mix(tokens + mix(places * GOLDEN)) * tokens.ne(pad)).sum(dim=1)


def widen(bounds: CodeBounds, options: SearchOptions) -> CodeBounds:
    """Repeats the bounds W times, with keys that differ. Shape: (B,) → (B · W,)."""
    least, most = (t.repeat_interleave(options.width) for t in bounds[:2])
    keys = bounds.keys
    if keys is not None:
        samples = torch.arange(options.width, device=keys.device)
        keys = (mix(keys).unsqueeze(1) + samples * GOLDEN).flatten()
    return CodeBounds(least, most, bounds.ends, keys)


# --------------------------------------------------------------------------------- beam


class Found(NamedTuple):
    """Sequences of codes; W for each sentence, the best first."""

    rank: Tensor  # (B, W) score / steps^penalty; -inf where there is none
    score: Tensor  # (B, W) log p
    codes: Tensor  # (B, W, L, G)
    lengths: Tensor  # (B, W)


class BeamSearch:
    """Keeps the W best unfinished sequences of each sentence, and the W best finished.

    The G codes of a step count as one symbol: of the K^G combinations the W best are
    found exactly, slice by slice. Every sequence may end at every step. A sentence is
    done when W of its ends have been among the W best symbols of their step, or when
    nothing unfinished can become better than what is finished. With W = K^L this is
    the exhaustive search over sequences of up to L codes.

    Args:
        predictor: p(codes | source), one step at a time.
        source: B encoded sentences.
        bounds: their shortest and longest sequences.
        options: width W and length penalty.
    """

    def __init__(
        self,
        predictor: CodePredictor[Any],
        source: EncodedSource,
        bounds: CodeBounds,
        options: SearchOptions,
    ) -> None:
        self.predictor, self.bounds = predictor, bounds
        self.width, self.penalty = options.width, options.length_penalty
        self.limits, self.state = Limits(bounds), predictor.start(source)
        size, device = len(bounds.most), bounds.most.device
        self.rows = torch.arange(size, device=device)  # the sentences that are left
        self.live = source.states.new_zeros(size, 1, dtype=torch.float32)
        self.prefix = self.rows.new_zeros(size, 1, 0, predictor.slices)
        empty = self.live.new_full((size, self.width), NEVER)
        lengths = self.rows.new_zeros(size, self.width)
        longest = self.limits.longest
        codes = self.rows.new_zeros(size, self.width, longest, predictor.slices)
        self.found = Found(empty, empty, codes, lengths)
        self.results = self.found
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
        logp = self.limits.forbid(logp, position, self.predictor.end, rows)
        logp = logp.unflatten(0, (count, width))  # (B, w, G, K + 1)
        gains, symbols = joint_best(logp[..., :-1], self.width)
        scores = self.live.unsqueeze(-1) + gains  # (B, w, m)
        ends = self.live + logp[:, :, 0, -1]  # (B, w)
        if self.bounds.ends:
            self._finish(ends, position, position + 1)
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
            self._finish(ending, position + 1, position + 1)
        offsets = torch.arange(count, device=best.device).unsqueeze(1) * width
        return self._leave(parents + offsets, position)

    def _finish(self, scores: Tensor, length: int, steps: int) -> None:
        """Lets the live sequences end. Shape: scores (B, w), -inf where they do not."""
        found, width = self.found, scores.size(1)
        codes = found.codes.new_zeros(len(scores), width, *found.codes.shape[2:])
        codes[:, :, :length] = self.prefix
        ended = Found(
            scores / steps**self.penalty,
            scores,
            codes,
            torch.full_like(found.lengths[:, :1], length).expand(-1, width),
        )
        both = Found(*(torch.cat(pair, dim=1) for pair in zip(found, ended)))
        rank, index = both.rank.topk(self.width, dim=1)
        self.found = Found(
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
        done = done | self.found.rank[:, -1].ge(hope)
        if not bool(done.any()):
            return parents.flatten()
        gone = self.rows[done]
        self.results = Found(
            *(
                all_rows.index_copy(0, gone, here[done])
                for all_rows, here in zip(self.results, self.found)
            )
        )
        stay = ~done
        self.rows, self.ends = self.rows[stay], self.ends[stay]
        self.live, self.prefix = self.live[stay], self.prefix[stay]
        self.found = Found(*(t[stay] for t in self.found))
        return parents[stay].flatten()

    def _results(self) -> LatentCodes:
        found = self.results
        missing = found.rank.eq(NEVER)
        index = torch.arange(self.width, device=missing.device).expand_as(missing)
        index = index.masked_fill(missing, 0)  # the best once more
        lengths = found.lengths.gather(1, index).flatten()
        codes = found.codes.gather(
            1, index[:, :, None, None].expand_as(found.codes)
        ).flatten(0, 1)
        places = torch.arange(int(lengths.max()), device=lengths.device)
        mask = places < lengths.unsqueeze(1)
        return LatentCodes(
            codes[:, : mask.size(1)] * mask.unsqueeze(-1),
            mask,
            found.score.gather(1, index).flatten(),
        )


def joint_best(logp: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the best combinations of one code per slice.

    The sum of the slices' scores is largest only if each part is among the best of its
    slice, so that the best of the first g slices suffice for slice g + 1.

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


# -------------------------------------------------------------------------- small parts


def expand(index: Tensor, size: int) -> Tensor:
    """Repeats an index along a new last dimension."""
    return index.unsqueeze(-1).expand(*index.shape, size)


def picked(values: Tensor, rows: Optional[Tensor]) -> Tensor:
    """Returns the values of some rows; None = all."""
    return values if rows is None else values[rows]


def scatter(values: Tensor, rows: Optional[Tensor], size: int) -> Tensor:
    """Puts the values of some rows among zeros; None = all."""
    if rows is None:
        return values
    return values.new_zeros(size, *values.shape[1:]).index_copy(0, rows, values)


def scatter_add(total: Tensor, values: Tensor, rows: Optional[Tensor]) -> Tensor:
    """Adds values to some rows; None = all."""
    return total + values if rows is None else total.index_add(0, rows, values)
