"""The command `vq-nat export`: parses and calls."""

import argparse
from typing import Any

from ..processes import ended_in_order
from .pack import add_common


def add_export_command(commands: Any) -> None:
    """Adds `export` to the subparsers of `vq-nat`."""
    exported = commands.add_parser(
        "export",
        help="write a model for the engine, which decodes faster",
        description="Writes a folder that translate reads as a MODEL, without torch, "
        "fairseq or any other file. It runs on CPUs, many times as fast as the "
        "checkpoint at batch size 1.",
    )
    exported.add_argument(
        "model", metavar="MODEL", help="checkpoint of a latent model, or of a teacher"
    )
    add_common(exported)
    exported.add_argument(
        "--format",
        dest="kind",
        choices=("engine", "onnx"),
        default="engine",
        help="engine: this project's own; onnx: graphs of a latent model for ONNX "
        "Runtime (default: engine)",
    )
    exported.add_argument(
        "--number-format",
        choices=("int8", "float32"),
        help="of matrix products (default: int8, with --format onnx float32)",
    )
    exported.add_argument(
        "--int8",
        dest="number_format",
        action="store_const",
        const="int8",
        help="the same as --number-format int8",
    )
    exported.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> None:
    """Exports a model, and prints where it is."""
    place = (options.model, options.out, options.data)
    told = {"row": options.row, "licence": options.licence}
    with ended_in_order():
        if options.kind == "onnx":
            from ..translation.onnx.export import export_checkpoint as export_onnx

            export_onnx(*place, int8=options.number_format == "int8", **told)
        else:
            from ..translation.export import export_checkpoint

            export_checkpoint(*place, options.number_format or "int8", **told)
    print(options.out)
