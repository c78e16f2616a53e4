"""One code after the other: the most probable, or a draw.

Sentences that have ended leave the batch.
"""

from typing import Any, Optional

import torch
from torch import Tensor

from ..flow import CodePredictor, EncodedSource, LatentCodes
from .gumbel import GumbelNoise, widen
from .limits import CodeBounds, Limits, SearchOptions


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


def scatter(values: Tensor, rows: Optional[Tensor], size: int) -> Tensor:
    """Puts the values of some rows among zeros; None = all."""
    if rows is None:
        return values
    return values.new_zeros(size, *values.shape[1:]).index_copy(0, rows, values)


def scatter_add(total: Tensor, values: Tensor, rows: Optional[Tensor]) -> Tensor:
    """Adds values to some rows; None = all."""
    return total + values if rows is None else total.index_add(0, rows, values)
