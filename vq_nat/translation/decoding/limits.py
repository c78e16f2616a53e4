"""Settings of a search: how to search, and how many codes a sentence may have."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor

NEVER = -float("inf")


class SearchOptions(NamedTuple):
    """How codes are searched for; the values are checked by `DecodingOptions`."""

    kind: str = "greedy"  # or "beam", "sample", "lengths"
    width: int = 1  # W, the number of sequences found for each sentence
    temperature: float = 1.0  # of sampling
    length_penalty: float = 1.0  # of a beam: score / steps^penalty
    seed: int = 1  # of sampling
    beam: int = 0  # sequences that a beam keeps, if more than it gives

    @property
    def beam_width(self) -> int:
        """How many sequences a beam keeps."""
        return max(self.width, self.beam)


GREEDY = SearchOptions()


class CodeBounds(NamedTuple):
    """How many codes a sentence may have, and what draws its samples."""

    least: Tensor  # (B,), at least 1: an empty translation is never the answer
    most: Tensor  # (B,)
    ends: bool = True  # False: `most` codes, and no end of codes is predicted or paid
    keys: Optional[Tensor] = None  # (B,) int64, what a sentence's samples depend on


def within(bounds: CodeBounds, longest: int) -> CodeBounds:
    """Keeps bounds from 1 to `longest`, the longest first."""
    most = bounds.most.clamp(1, longest)
    least = torch.minimum(bounds.least.clamp(min=1), most)
    return bounds._replace(least=least, most=most)


class Limits:
    """Keeps the lengths of B sentences within their bounds.

    The shortest and longest bound are kept as Python numbers, so that most steps need
    not wait for the device.
    """

    def __init__(self, bounds: CodeBounds) -> None:
        self.bounds = bounds
        figures = [bounds.least.max(), bounds.most.min(), bounds.most.max()]
        self.late, self.early, self.longest = torch.stack(figures).tolist()

    def forbid(
        self, logp: Tensor, position: int, *, end: int, rows: Optional[Tensor] = None
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


def picked(values: Tensor, rows: Optional[Tensor]) -> Tensor:
    """Returns the values of some rows; None = all."""
    return values if rows is None else values[rows]
