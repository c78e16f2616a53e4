"""Owns what members that are learned by gradient alone share: watching their codes.

They have no loss and no statistics of their own. All that their M-step does is to watch
how long each code has been out of use.
"""

import torch
from torch import Tensor

from . import usage
from .base import Bottleneck
from .config import BottleneckConfig
from .watch import CodeUse, CollapseWatch


class LearnedBottleneck(Bottleneck):
    """A member without an M-step: its codes move by the optimizer, or never."""

    added_state = ("_extra_state", "use.idle", "use.updates")

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.use = CodeUse(self.num_slices, num_codes=self.num_codes)
        self.collapse = CollapseWatch(self.window)

    def apply_gathered(self) -> None:
        """Moves nothing, but warns on collapse."""
        self.use.m_step_()
        self.collapse.look(self.use.idle, self.num_updates)

    def discard(self) -> None:
        """Clears what was gathered since the last M-step."""
        self.use.counts.zero_()

    @torch.no_grad()
    def figures(self, counts: Tensor, **others: Tensor) -> dict[str, float]:
        """Counts a batch's codes and returns its figures for the log.

        Args:
            counts: vectors on each code. Shape: (G, K).
            **others: further figures, by name.
        """
        if self.gathers:
            self.use.gather_(counts)
        return usage.as_floats(
            {
                "perplexity": usage.perplexity(counts),
                "used_codes": usage.used_share(counts),
                **self.use.figures(self.window),
                **others,
            }
        )
