"""fairseq-train, and then the whole state of its model: … FOLDER FAIRSEQ_ARGUMENTS.

Each worker saves its own, which fairseq does not: only the first writes checkpoints.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from fairseq_cli import train

from vq_nat.translation.model import VQEMTransformer


class Remembered(VQEMTransformer):
    """Keeps hold of the model that fairseq builds."""

    last: VQEMTransformer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Remembered.last = self


def main() -> None:
    """Trains as `fairseq-train` does."""
    folder = Path(sys.argv.pop(1))
    torch.set_num_threads(1)
    build = Remembered.build_model
    VQEMTransformer.build_model = build  # type: ignore[method-assign]
    train.cli_main()
    state = Remembered.last.state_dict()
    torch.save(state, folder / f"{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main()
