"""The commands `vq-nat image …`: parses and calls; whatever it does is done elsewhere.

`main.py` adds these commands to its own.
"""

import argparse
from pathlib import Path
from typing import Any

from .arguments import count, device, positive, threads


def add_image_commands(commands: Any) -> None:
    """Adds `image sample | reconstruct | report` to the subparsers of `vq-nat`."""
    image = commands.add_parser(
        "image", help="sample from, and report on, image models"
    )
    actions = image.add_subparsers(metavar="ACTION", required=True)
    add_sample(actions)
    add_reconstruct(actions)
    add_report(actions)


def add_sample(actions: Any) -> None:
    """Adds `image sample`."""
    sample = actions.add_parser(
        "sample",
        help="draw images",
        description="Draws codes from a prior, decodes them, and writes samples.png.",
    )
    add_common(sample)
    add_sampling(sample)
    sample.add_argument(
        "--single", action="store_true", help="write each sample as a file, too"
    )
    sample.set_defaults(run=run_sample)


def add_reconstruct(actions: Any) -> None:
    """Adds `image reconstruct`."""
    reconstruct = actions.add_parser(
        "reconstruct",
        help="encode and decode images",
        description="Writes images beside what becomes of them: reconstructions.png.",
    )
    add_common(reconstruct)
    add_data(reconstruct)
    reconstruct.add_argument(
        "--count",
        type=positive,
        default=32,
        metavar="N",
        help="the first N images of the split (default: 32)",
    )
    reconstruct.set_defaults(run=run_reconstruct)


def add_report(actions: Any) -> None:
    """Adds `image report`."""
    report = actions.add_parser(
        "report",
        help="measure a model on a test set",
        description="Measures bits per dimension, PSNR, SSIM and the use of codes, and "
        "writes report.json, report.md and pictures.",
    )
    add_common(report)
    add_data(report)
    add_sampling(report)
    report.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="fairseq's JSON log of the training, for the curve of the codes in use",
    )
    report.add_argument(
        "--inception",
        type=Path,
        metavar="FILE",
        help="TorchScript Inception (inception-2015-12-05.pt) for FID; nothing is "
        "downloaded",
    )
    report.add_argument("--threads", type=threads, default=2, help="default: 2")
    report.set_defaults(run=run_report)


def add_common(command: argparse.ArgumentParser) -> None:
    """Adds what all image commands take."""
    command.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="an autoencoder's checkpoint, or folder with checkpoint_best.pt",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("images"),
        metavar="DIR",
        help="where files go (default: images)",
    )
    command.add_argument(
        "--device", type=device, default="cpu", help="cpu, cuda, … (default: cpu)"
    )
    command.add_argument(
        "--batch-size", type=positive, default=64, metavar="N", help="default: 64"
    )


def add_data(command: argparse.ArgumentParser) -> None:
    """Adds where the images are."""
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of images"
    )
    command.add_argument(
        "--split", choices=("train", "valid", "test"), default="test", help="of them"
    )


def add_sampling(command: argparse.ArgumentParser) -> None:
    """Adds how samples are drawn."""
    group = command.add_argument_group("samples")
    group.add_argument(
        "--prior",
        type=Path,
        metavar="CKPT",
        help="checkpoint of a learned prior (default: the uniform one)",
    )
    group.add_argument(
        "--count", type=positive, default=64, metavar="N", help="default: 64"
    )
    group.add_argument(
        "--temperature", type=float, default=1.0, help="0 decides (default: 1)"
    )
    group.add_argument(
        "--top-k", type=count, default=0, metavar="K", help="0 = all (default: 0)"
    )
    group.add_argument(
        "--pixels",
        choices=("mode", "sample"),
        default="mode",
        help="the likely image of some codes, or one drawn (default: mode)",
    )
    group.add_argument("--seed", type=count, default=1, metavar="N", help="default: 1")


def read_drawing(options: argparse.Namespace) -> Any:
    """Returns how samples are drawn."""
    from ..bench.images import Drawing
    from ..image.sampling import SamplingOptions

    codes = SamplingOptions(options.temperature, options.top_k)
    return Drawing(options.count, codes, options.pixels, options.seed)


def read_conditions(options: argparse.Namespace, threads: int = 1) -> Any:
    """Returns device, threads and batch size."""
    from ..bench.conditions import Conditions

    return Conditions(options.device, threads, batch_size=options.batch_size)


def run_sample(options: argparse.Namespace) -> None:
    """Writes samples, and prints where the picture is."""
    from ..bench.image_report import sample

    how = (read_drawing(options), read_conditions(options))
    paths = sample(options.model, options.prior, options.out, *how, options.single)
    print(paths[0])


def run_reconstruct(options: argparse.Namespace) -> None:
    """Writes images beside their reconstructions, and prints where."""
    from ..bench.image_report import reconstruct

    place = (options.model, options.data, options.split)
    how = (options.device, options.batch_size)
    print(reconstruct(*place, options.count, options.out, *how))


def run_report(options: argparse.Namespace) -> None:
    """Measures a model, writes all there is, and prints where the page is."""
    from ..bench.image_report import report

    report(
        options.model,
        options.data,
        options.out,
        options.split,
        options.prior,
        options.log,
        options.inception,
        drawing=read_drawing(options),
        conditions=read_conditions(options, options.threads),
    )
    print(options.out / "report.md")
