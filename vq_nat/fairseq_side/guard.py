"""Owns what stands between a file and fairseq: nothing in a file is ever run.

One place for all doors, fairseq's own commands among them: its checkpoints are read
with `weights_only`, in every version of torch, and their options checked before it sees
them; its `eval` reads literals.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from fairseq import checkpoint_utils

from .checkpoint_options import check_options
from .literals import replace_eval


class GuardedTorch(ModuleType):
    """torch, as fairseq's reader of checkpoints sees it."""

    def __getattr__(self, name: str) -> Any:
        """Returns what torch has."""
        return getattr(torch, name)

    def load(self, file: Any, map_location: Any = None) -> Any:
        """Reads a checkpoint without calling anything, and checks its options."""
        state = torch.load(file, map_location=map_location, weights_only=True)
        check_options(state, getattr(file, "name", "the checkpoint"))
        return state


def guard_files() -> None:
    """Lets fairseq read files through this module."""
    checkpoint_utils.torch = GuardedTorch("torch")
    replace_eval()
