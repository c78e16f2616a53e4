"""fairseq-train, and then the whole state of its model: … FOLDER FAIRSEQ_ARGUMENTS.

Each worker saves its own, which fairseq does not: only the first writes checkpoints.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from fairseq.trainer import Trainer
from fairseq_cli import train

built: list[torch.nn.Module] = []


def remember(trainer: Trainer, cfg: Any, task: Any, model: Any, *rest: Any) -> None:
    """Keeps hold of the model that fairseq trains."""
    built.append(model)
    make(trainer, cfg, task, model, *rest)


make = Trainer.__init__


def main() -> None:
    """Trains as `fairseq-train` does."""
    folder = Path(sys.argv.pop(1))
    torch.set_num_threads(1)
    Trainer.__init__ = remember
    train.cli_main()
    torch.save(built[-1].state_dict(), folder / f"{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main()
