"""The search for the best codes: greedy, beam, or sampling.

It only calls the latent predictor step by step. Sentences that have ended leave the
batch, and what is found for a sentence never depends on its neighbours.
"""

from typing import Any, Protocol, runtime_checkable

import torch

from ..flow import CodePredictor, EncodedSource, LatentCodes, take
from .ancestral import ancestral
from .beam import BeamSearch
from .limits import GREEDY, CodeBounds, SearchOptions, within


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
        B · W sequences, those of a sentence one after the other, of a beam the best
        first. If a sentence has fewer than W different ones, some are repeated.
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
        found = BeamSearch(predictor, source, bounds, options).run()
        return best_of(found, options.beam_width, options.width)
    if options.kind == "lengths":
        return neighbours(predictor, source, bounds, options)
    return ancestral(predictor, source, bounds, options)


def best_of(codes: LatentCodes, found: int, wanted: int) -> LatentCodes:
    """Keeps the best of a beam. Shape: (B · `found`, L, G) → (B · `wanted`, L', G)."""
    if found == wanted:
        return codes
    kept = LatentCodes(*(t.unflatten(0, (-1, found))[:, :wanted] for t in codes))
    codes = LatentCodes(*(t.flatten(0, 1) for t in kept))
    longest = int(codes.mask.sum(dim=1).max())
    return LatentCodes(codes.codes[:, :longest], codes.mask[:, :longest], codes.score)


def with_last(codes: LatentCodes, code: int) -> LatentCodes:
    """Adds the last chunk's code. Shape: (R, L, G) → (R, L + 1, G)."""
    longer = torch.nn.functional.pad(codes.codes, (0, 0, 0, 1))
    rows = torch.arange(len(longer), device=longer.device)
    longer[rows, codes.mask.sum(dim=1)] = code
    mask = torch.nn.functional.pad(codes.mask, (1, 0), value=True)
    return LatentCodes(longer, mask, codes.score)


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
