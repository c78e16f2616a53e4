"""The command `vq-nat diagnose`: parses and calls; what it does is done in `bench`."""

import argparse
import json
from pathlib import Path
from typing import Any

from .arguments import device, positive


def add_diagnose_command(commands: Any) -> None:
    """Adds `diagnose` to the subparsers of `vq-nat`."""
    diagnose = commands.add_parser(
        "diagnose",
        help="tell what the predictor and what the decoder of a model lose",
        description="Translates a test set from codes that are predicted, and from "
        "those of the teacher's output and of the references, and prints a table.",
    )
    add = diagnose.add_argument
    add("model", metavar="MODEL", help="checkpoint of a latent model, or its folder")
    add("--teacher", required=True, metavar="MODEL", help="autoregressive model")
    add("--raw", type=Path, required=True, help="folder with the raw test set")
    add("--file", default="test", help="name of its files (default: test)")
    add("--data", metavar="DIR", help="folder of the text processing")
    add("--device", type=device, default="cpu", help="cpu, cuda, … (default: cpu)")
    add("--autocast", default="none", help="see fairseq-train (default: none)")
    add("--sentences", type=positive, metavar="N", help="the first N (default: all)")
    add("--beam", type=positive, default=4, help="of the teacher's output (default: 4)")
    add("--candidates", type=positive, default=10, help="of the model (default: 10)")
    add("--batch-size", type=positive, default=64, metavar="N", help="(default: 64)")
    add("--out", type=Path, metavar="FILE", help="write the figures as JSON, too")
    diagnose.set_defaults(run=run_diagnose)


def run_diagnose(options: argparse.Namespace) -> None:
    """Prints the tables of a diagnosis."""
    from .. import load
    from ..bench.diagnosis import diagnose
    from ..bench.sentences import TestSet
    from ..results.diagnosis import table
    from ..translation.loading import languages_of
    from ..writing import write_text

    languages, name = languages_of(options.model, options.data), options.file
    test_set = TestSet.read(options.raw, options.raw.name, name, languages, name)
    if options.sentences:
        test_set = test_set.first(options.sentences)
    common = {"device": options.device, "autocast": options.autocast}
    translator = load(options.model, data=options.data, **common)
    teacher = load(options.teacher, data=options.data, beam=options.beam, **common)
    row = diagnose(
        translator,
        teacher,
        test_set,
        width=options.candidates,
        batch_size=options.batch_size,
    )
    print(table(row))
    if options.out is not None:
        write_text(json.dumps(row, indent=1, ensure_ascii=False), options.out)
