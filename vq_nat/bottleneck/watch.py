"""Owns the watch over codes: for how long each is out of use, and when to warn.

A window of 1 / (1 - `vq_decay`) updates is what counts as recent: it is that of the
moving averages. A single batch could not use all of a large codebook.
"""

import logging

import torch
from torch import Tensor, nn

from . import usage
from .workers import all_reduce_, is_first_worker

logger = logging.getLogger(__name__)

# Below the first share of codes in use it is a collapse, which ends at the second.
_COLLAPSED, _RECOVERED = 0.05, 0.10


def age_(idle: Tensor, counts: Tensor) -> None:
    """Counts an update for every code that was not used in it. Shape: both (G, K)."""
    idle.add_(1).masked_fill_(counts > 0, 0)


class CodeUse(nn.Module):
    """How long each code has not been used by any worker.

    Attributes:
        counts: vectors of the running update that use a code. Shape: (G, K).
        idle: updates since a vector last used a code. Shape: (G, K).
        updates: updates with vectors so far. Shape: ().
    """

    counts: Tensor
    idle: Tensor
    updates: Tensor

    def __init__(self, num_slices: int, *, num_codes: int) -> None:
        super().__init__()
        counts = torch.zeros(num_slices, num_codes, dtype=torch.float32)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("idle", counts.long())
        self.register_buffer("updates", torch.tensor(0))

    def gather_(self, counts: Tensor) -> None:
        """Adds one batch. Shape: (G, K)."""
        self.counts += counts

    def count_(self) -> None:
        """Counts an update, `counts` being those of all workers."""
        age_(self.idle, self.counts)
        self.updates += 1

    def m_step_(self) -> None:
        """Closes an update, on all workers alike."""
        all_reduce_([self.counts])
        if float(self.counts.sum()) > 0:
            self.count_()
        self.counts.zero_()

    def figures(self, window: float) -> dict[str, Tensor]:
        """Figures for the log; `window` is in updates."""
        return {
            "recent_codes": usage.recent_share(self.idle, self.updates),
            "dead_codes": usage.dead_share(self.idle, window),
        }


class CollapseWatch:
    """Warns when hardly any codes are in use: once a collapse, and by one worker.

    Args:
        window: updates that count as recent.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.collapsed = False

    def look(self, idle: Tensor, num_updates: int) -> None:
        """Looks at the slice that fares worst. Shape: idle (G, K)."""
        in_use = int((idle < self.window).sum(-1).min())
        share = in_use / idle.shape[-1]
        if share < _COLLAPSED and not self.collapsed:
            self.collapsed = True
            if is_first_worker():
                logger.warning(
                    "The codebook has collapsed: in the last %d updates before update "
                    "%d only %d of %d codes (%.1f %%) were used. Starting from data "
                    "(`vq_init` 'data'), restarts (`vq_restart_after`), a shorter "
                    "window (`vq_decay`) or fewer codes may help.",
                    round(self.window),
                    num_updates,
                    in_use,
                    idle.shape[-1],
                    100 * share,
                )
        elif share >= _RECOVERED:
            self.collapsed = False
