"""The command `vq-nat codes`: parses and calls; what it does is done in `explain`."""

import argparse
from pathlib import Path
from typing import Any

from .. import load
from .arguments import device, positive


def add_codes_command(commands: Any) -> None:
    """Adds `codes` to the subparsers of `vq-nat`."""
    codes = commands.add_parser(
        "codes",
        help="show what each code of a latent model stands for",
        description="Writes which words, places and lengths each code stands for, and "
        "a page that shows sentences with their codes, and what changes if one code "
        "is another.",
    )
    codes.add_argument("model", metavar="MODEL", help="a latent model's checkpoint")
    codes.add_argument("data", metavar="DATA", help="folder with its prepared data")
    codes.add_argument(
        "--split", default="valid", help="whose references are read (default: valid)"
    )
    codes.add_argument(
        "--out",
        type=Path,
        default=Path("codes"),
        metavar="DIR",
        help="where codes.json, codes.tsv and codes.html go (default: codes)",
    )
    codes.add_argument(
        "--sentence",
        action="append",
        metavar="TEXT",
        help="sentence of the page, may be repeated (default: three of the split)",
    )
    codes.add_argument(
        "--swaps", type=positive, default=4, metavar="N", help="rivals of each code"
    )
    codes.add_argument(
        "--device", type=device, default="cpu", help="cpu, cuda, … (default: cpu)"
    )
    codes.set_defaults(run=run_codes)


def run_codes(options: argparse.Namespace) -> None:
    """Writes what the codes stand for, and prints where."""
    from ..explain.inventory import (
        count_codes,
        describe,
        read_chunks,
        some_sentences,
        write_records,
    )
    from ..explain.page import page
    from ..explain.picture import draw
    from ..translation.flow import require_codes
    from ..writing import write_text

    translator: Any = load(options.model, data=options.data, device=options.device)
    require_codes(getattr(translator, "model", None))
    sentences = options.sentence or some_sentences(translator, options.split)
    pictures = draw(translator, sentences, options.swaps)
    inventory = count_codes(read_chunks(translator, options.split))
    records = describe(inventory)
    for kind in ("json", "tsv"):
        write_records(records, options.out / f"codes.{kind}")
        print(options.out / f"codes.{kind}")
    html = options.out / "codes.html"
    write_text(page(pictures, inventory), html)
    print(html)
