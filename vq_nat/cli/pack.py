"""The command `vq-nat pack`: parses and calls."""

import argparse
from pathlib import Path
from typing import Any

from ..processes import ended_in_order


def add_pack_command(commands: Any) -> None:
    """Adds `pack` to the subparsers of `vq-nat`."""
    packed = commands.add_parser(
        "pack",
        help="write a model as a folder to pass on",
        description="Writes weights as safetensors, options as JSON, dictionaries, "
        "subword codes and a card for readers into a folder, which vq_nat.load, "
        "translate and fairseq's commands read.",
    )
    packed.add_argument(
        "model", metavar="CHECKPOINT", help="checkpoint, its folder, or a packed folder"
    )
    add_common(packed)
    packed.set_defaults(run=run_pack)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds what `pack` and `export` ask for."""
    parser.add_argument("out", metavar="OUT", help="the folder to make")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with dictionaries, bpe.codes and text.json (default: the "
        "checkpoint's folder, or the data it was trained on)",
    )
    parser.add_argument(
        "--row",
        type=Path,
        metavar="FILE",
        help="row of the checkpoint (JSON), whose figures the folder's card shows",
    )
    parser.add_argument(
        "--licence",
        metavar="NAME",
        help="that the model is passed on with, for instance mit or cc-by-4.0",
    )


def run_pack(options: argparse.Namespace) -> None:
    """Packs a model, and prints where it is."""
    from ..translation.pack import pack_checkpoint

    with ended_in_order():
        pack_checkpoint(
            options.model, options.out, options.data, options.row, options.licence
        )
    print(options.out)
