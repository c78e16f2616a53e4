"""Owns what a row of the comparison of codebooks' survival says."""

from __future__ import annotations

from typing import TypedDict

from vq_nat.results.rows import Machine


class Point(TypedDict):
    """What a validation says."""

    updates: int
    used_codes: int
    word_accuracy: float
    posterior_entropy: float
    quantization_error: float


class Survival(Machine):
    """What became of a codebook."""

    kind: str
    corpus: str
    assign: str
    codes: int
    seed: int
    updates: int
    max_tokens: int
    curve: list[Point]
    final: Point
    train_seconds: int
