"""Owns what a row of a table says besides what was measured."""

from __future__ import annotations

from typing import NotRequired

from vq_nat.results.curves import Curves
from vq_nat.results.diagnosis import Diagnosis
from vq_nat.results.rows import Row


class TableRow(Row):
    """A system on a test set, and what it was made of."""

    row: str  # its name in the configuration, that of all its seeds
    config: str  # hash of the configuration that it depends on
    model: str
    text: str
    inputs: dict[str, str]  # hashes
    measure_seconds: NotRequired[int]
    curves: Curves | None
    diagnosis: NotRequired[Diagnosis]  # of the model, in the first of its rows
