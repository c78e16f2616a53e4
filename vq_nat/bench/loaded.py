"""Owns what the engines behind `vq_nat.load` share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LoadedEngine:
    """A translator that `vq_nat.load` returned.

    Args:
        translator: of text.
        decoding: the options it was loaded with.
    """

    def __init__(self, translator: Any, decoding: Mapping[str, Any]) -> None:
        self.translator, self.decoding = translator, decoding

    def translate(
        self,
        sentences: list[str],
        batch_size: int,
        references: list[str] | None = None,
    ) -> list[str]:
        """Translates raw sentences."""
        return self.translator.translate(sentences, batch_size, references=references)

    def passes(self, sentences: list[str], batch_size: int) -> list[int]:
        """Returns how often the teacher read each sentence, where it verifies."""
        return [h.passes for h in self.translator.hypotheses(sentences, batch_size)]

    @property
    def beam(self) -> int | None:
        """Width of the search; None of a parallel model."""
        return None if self.translator.parallel else self.decoding.get("beam", 1)

    @property
    def refinements(self) -> int | None:
        """Passes behind the first; None of an autoregressive model."""
        return self.decoding.get("passes", 0) if self.translator.parallel else None
