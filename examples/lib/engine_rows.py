"""Owns what a row of the comparison of engines says."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from vq_nat.results.rows import Calibration, Machine, Spread


class Times(TypedDict):
    """Times of calls that took turns."""

    ms: Spread  # of a call
    rounds_ms: list[float]  # the median of each round
    calls: int


class System(Times):
    """A model in an engine."""

    engine: str
    model: str
    number_format: str
    beam: int
    shortlist: bool
    workers: bool


class Stage(TypedDict):
    """A stage of a model, and the least it could take."""

    stage: str
    ms: float
    limit_ms: float


class Speeds(TypedDict):
    """What a machine can do at most."""

    gb_per_s: float
    gop_per_s: float


class Before(Calibration):
    """The state of the machine before and after."""

    operators_ms_after: NotRequired[float]


class EngineRow(Machine):
    """All systems in one cell of the comparison."""

    kind: str
    size: str
    words: int
    batch_size: int
    instruction_set: str
    calibration: Before
    systems: dict[str, System]
    stages: NotRequired[dict[str, list[Stage]]]  # by model, in int8 on one thread
    speeds: NotRequired[Speeds]
