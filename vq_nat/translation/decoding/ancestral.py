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
    size, limits, tau = len(bounds.most), Limits(bounds), options.temperature
    score = source.states.new_zeros(size, dtype=torch.float32)
    running = torch.ones_like(bounds.most, dtype=torch.bool)
    codes, masks = [], []
    for step in range(limits.longest + bounds.ends):
        logits, state = predictor.step(state, previous)
        logp = predictor.log_probs(logits)
        logp = limits.forbid(logp, step, end=predictor.end, rows=rows)
        noisy = None if noise is None else logp / tau + noise(step, logp.shape, rows)
        gain, symbol, ended = best_symbols(logp, noisy, predictor.end)
        ended = limits.over(ended, step, rows)
        goes_on = running & ~ended
        score = scatter_add(score, gain * (running if bounds.ends else goes_on), rows)
        running = goes_on
        if not (left := int(running.sum())):
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
        return no_codes(score, predictor.slices)
    return LatentCodes(torch.stack(codes, 1), torch.stack(masks, 1), score)


def best_symbols(
    logp: Tensor, noisy: Optional[Tensor], end: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the best symbol of each slice, with log p of all together.

    Args:
        logp: (R, G, K + 1).
        noisy: what decides which is best, of the same shape; None = log p itself.
        end: the symbol that ends a sequence, whatever the other slices say.

    Returns:
        log p (R,), the symbols (R, G), and which rows end (R,).
    """
    if noisy is None:
        gain, symbol = logp.max(dim=-1)
    else:
        symbol = noisy.argmax(dim=-1)
        gain = logp.gather(-1, symbol.unsqueeze(-1)).squeeze(-1)
    gain, ended = gain.sum(dim=-1), symbol[:, 0].eq(end)
    if logp.size(1) > 1:
        gain = torch.where(ended, logp[:, 0, end], gain)
    return gain, symbol, ended


def no_codes(score: Tensor, slices: int) -> LatentCodes:
    """Returns sequences without a code. Shape: score (R,)."""
    none = torch.zeros(len(score), 0, dtype=torch.bool, device=score.device)
    codes = torch.zeros(len(score), 0, slices, dtype=torch.long, device=score.device)
    return LatentCodes(codes, none, score)


def scatter(values: Tensor, rows: Optional[Tensor], size: int) -> Tensor:
    """Puts the values of some rows among zeros; None = all."""
    if rows is None:
        return values
    return values.new_zeros(size, *values.shape[1:]).index_copy(0, rows, values)


def scatter_add(total: Tensor, values: Tensor, rows: Optional[Tensor]) -> Tensor:
    """Adds values to some rows; None = all."""
    return total + values if rows is None else total.index_add(0, rows, values)
