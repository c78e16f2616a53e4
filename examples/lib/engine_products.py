"""Owns the engine's products alone, with random weights, and their times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vq_nat.engine import engine, packing


def weights(dense: Any, number_format: str) -> Any:
    """Returns the engine's weights. Shape: (outputs, inputs)."""
    outputs, inputs = dense.shape
    bias = np.zeros(outputs, dtype=np.float32)
    if number_format == "float32":
        return engine().Weights(inputs, outputs, packing.pack_dense(dense), bias)
    whole, scales = packing.quantise(dense)
    sums = whole.sum(axis=1, dtype=np.int32)
    return engine().Weights(inputs, packing.pack(whole), scales, sums, bias)


def times_of(measure: Callable[[int, int], list[float]]) -> float:
    """Returns the least time in microseconds of what `measure` does so many times.

    By the thread's processor time, so that others on the machine matter less; it is
    read once for 0.2 ms of work or more, since reading it takes time.
    """
    once = min(measure(3, 1))
    at_once = max(1, round(2e-4 / once))
    return min(measure(max(5, int(0.1 / (at_once * once))), at_once)) * 1e6


def microseconds(matrix: Any, x: Any, what: str) -> float:
    """Returns the time of a product of the engine."""
    return times_of(lambda *counts: engine().time(matrix, x, what, *counts))
