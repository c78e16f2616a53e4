"""A trained system: its checkpoint, how it decodes, and the engines that run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..translation.decoding.options import NEED_REFERENCES
from .conditions import Conditions
from .engines import Engine, open_engine


@dataclass(frozen=True)
class System:
    """A trained checkpoint, and how it decodes.

    Attributes:
        name: of its row.
        label: for readers.
        checkpoint: a file, or a folder that holds `checkpoint_best.pt`.
        log: of its training.
        engine: one of `engines.ENGINES`.
        decoding: options of `vq_nat.load`, `true_codes` and `true_latents` among them;
            of CTranslate2 `beam` and `compute_type`.
    """

    name: str
    label: str
    checkpoint: Path
    log: Path | None = None
    engine: str = "torch"
    decoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_references(self) -> bool:
        """Whether it decodes from the references: a diagnosis, and no system."""
        return any(self.decoding.get(name) for name in NEED_REFERENCES)

    def open(self, device: str, threads: int, autocast: str = "none") -> Engine:
        """Loads it."""
        return open_engine(
            self.engine, self.checkpoint, self.decoding, device, threads, autocast
        )


class Opened:
    """A system's engines, each loaded when it is asked for.

    CTranslate2 is told its threads when it is loaded, torch at any time.
    """

    def __init__(self, system: System, conditions: Conditions) -> None:
        self.system, self.conditions = system, conditions
        self.engines: dict[tuple[str, int], Engine] = {}

    def __call__(self, device: str, threads: int) -> Engine:
        """Returns the engine for a device and a number of threads."""
        key = device, threads if self.system.engine != "torch" else 0
        if key not in self.engines:
            autocast = self.conditions.autocast
            self.engines[key] = self.system.open(device, threads, autocast)
        return self.engines[key]
