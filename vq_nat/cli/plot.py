"""The command `vq-nat plot`: parses and calls."""

import argparse
from pathlib import Path
from typing import Any


def add_plot_command(commands: Any) -> None:
    """Adds `plot` to the subparsers of `vq-nat`."""
    plot = commands.add_parser(
        "plot",
        help="draw a training: loss, BLEU, use of codes",
        description="Draws the log of fairseq-train --log-format json as PNG and SVG, "
        "for light and dark pages.",
    )
    plot.add_argument("log", metavar="RUN", type=Path, help="train.log, or its folder")
    plot.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the pictures go (default: beside the log)",
    )
    plot.set_defaults(run=run_plot)


def run_plot(options: argparse.Namespace) -> None:
    """Draws a training, and prints where the pictures are."""
    from ..bench.training_picture import draw_run

    log: Path = options.log
    beside = log if log.is_dir() else log.parent
    for path in draw_run(log, options.out or beside):
        print(path)
