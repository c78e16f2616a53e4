"""The command `vq-nat serve`: parses and calls; what it does is done in `serve`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import load
from ..engine.folder import is_folder
from ..translated import read_meanings
from .arguments import port, positive, threads
from .decoding import add_decoding, chosen, home

if TYPE_CHECKING:
    from ..serve.limits import Limits

TEACHER = (
    "autoregressive model that the page shows beside; with --candidates or --verify it "
    "chooses or verifies, too"
)
TOKEN = "VQ_NAT_TOKEN"  # the variable, which no list of processes shows


def add_serve_command(commands: Any) -> None:
    """Adds `serve` to the subparsers of `vq-nat`."""
    serve = commands.add_parser(
        "serve",
        help="serve translations over HTTP, with a page that shows the codes",
        description="Serves a model: /translate as LibreTranslate does, /v1/explain "
        "and /v1/swap for its codes, /metrics for Prometheus, and a page at /. "
        "Requests that arrive together are decoded together.",
    )
    add = serve.add_argument
    add("model", metavar="FOLDER", help="what export wrote, or a checkpoint")
    add(
        "--data",
        metavar="DIR",
        help="of a checkpoint: folder with dictionaries, bpe.codes and text.json",
    )
    add("--codes", type=Path, metavar="FILE", help="codes.json of `vq-nat codes`")
    add("--teacher-beam", type=positive, default=1, metavar="N", help="default: 1")
    add("--threads", type=threads, metavar="N", help="that compute (default: all)")
    add_door(serve)
    add_bounds(serve)
    add_decoding(serve, {"teacher": TEACHER})
    serve.set_defaults(run=run_serve)


def add_door(serve: argparse.ArgumentParser) -> None:
    """Adds where the service listens, and what it asks for."""
    door = serve.add_argument_group("door")
    door.add_argument(
        "--host",
        default="127.0.0.1",
        help="address; another than this machine's own asks for a token (default: "
        "127.0.0.1)",
    )
    door.add_argument(
        "--port", type=port, default=8000, help="0 = any that is free (default: 8000)"
    )
    door.add_argument(
        "--token",
        help=f"what every request must bring; better as the variable {TOKEN}, since "
        "others may see a command's options",
    )


def add_bounds(serve: argparse.ArgumentParser) -> None:
    """Adds what the service takes."""
    group = serve.add_argument_group("bounds")
    for name, kind, default, unit, text in (
        ("batch-size", positive, 64, "N", "sentences decoded together"),
        ("window", float, 2.0, "MS", "that a sentence waits for others"),
        ("queue", positive, 1024, "N", "sentences that may wait"),
        ("characters", positive, 5000, "N", "of a text"),
        ("texts", positive, 128, "N", "of a request"),
        ("timeout", float, 30.0, "S", "until a request must be answered"),
    ):
        text = f"{text} (default: {default:g})"
        group.add_argument(
            f"--{name}", type=kind, default=default, metavar=unit, help=text
        )


def run_serve(options: argparse.Namespace) -> None:
    """Serves until it is told to end."""
    from ..serve.access import Access
    from ..serve.run import serve
    from ..serve.service import Service

    refuse_unread_data(options)
    access = Access(options.host, options.token or os.environ.get(TOKEN) or None)
    limits = limits_of(options)
    meanings = read_meanings(options.codes) if options.codes else None
    service = Service(open_model(options), limits, open_teacher(options), meanings)
    serve(service, access, options.port)


def refuse_unread_data(options: argparse.Namespace) -> None:
    """Refuses a text processing that no model reads: exported ones have their own.

    Raises:
        ValueError: if there is no checkpoint.
    """
    models = [path for path in (options.model, options.teacher) if path is not None]
    if options.data is not None and all(map(is_folder, models)):
        raise ValueError(
            f"`data` must be None for an exported model, but is {options.data!r} "
            "instead."
        )


def limits_of(options: argparse.Namespace) -> "Limits":
    """Returns the bounds that were asked for.

    Raises:
        ValueError: for one that is none.
    """
    from ..serve.limits import Limits

    return Limits(
        batch=options.batch_size,
        window=options.window / 1000,
        queue=options.queue,
        characters=options.characters,
        texts=options.texts,
        seconds=options.timeout,
    )


def open_model(options: argparse.Namespace) -> Any:
    """Loads the model; a teacher ranks or verifies only if it is asked to."""
    ranks = options.candidates > 1 or options.verify
    decoding = chosen(
        argparse.Namespace(
            **{**vars(options), "teacher": options.teacher if ranks else None}
        ),
        calls_choose=True,
    )
    for name in home.NEED_REFERENCES:
        if name in decoding:
            raise ValueError(f"`{name}` must be False to serve: texts come alone.")
    return opened(options.model, options, **decoding)


def open_teacher(options: argparse.Namespace) -> Any:
    """Loads the model to compare with, if there is one."""
    if options.teacher is None:
        return None
    return opened(options.teacher, options, beam=options.teacher_beam)


def opened(path: str, options: argparse.Namespace, **decoding: Any) -> Any:
    """Loads a folder or a checkpoint, with as many threads as were asked for."""
    if is_folder(path):
        threads = {"threads": options.threads} if options.threads else {}
        return load(path, device=options.device, **threads, **decoding)
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    return load(path, data=options.data, device=options.device, **decoding)
