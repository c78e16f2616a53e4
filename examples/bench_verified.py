r"""Measures draft and verify on a test set, and prints what it finds as JSON.

Of the demo, for instance:

    python examples/bench_verified.py STUDENT --verifier AUTOREGRESSIVE \
        --raw runs/demo/corpus/raw --data runs/demo/corpus/bin
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import vq_nat
from examples.lib.scripts import positive, refusals
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.verifying import measure_verified
from vq_nat.translation.loading import languages_of


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("student", type=Path, help="a latent checkpoint")
    add("--verifier", type=Path, required=True, help="an autoregressive checkpoint")
    add("--raw", type=Path, required=True, help="folder with the test set")
    add("--file", default="test", help="name of its files (default: test)")
    add("--data", type=Path, help="folder with the dictionaries")
    add("--best", type=positive, default=1, help="words that pass are among so many")
    add("--margin", type=float, default=0.0, help="nats below the first (0: any)")
    add("--sentences", type=positive, help="of the test set (default: all)")
    add(
        "--timed", type=positive, default=50, help="sentences timed alone (default: 50)"
    )
    add("--threads", type=positive, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    options = parse(arguments)
    languages = languages_of(options.student, options.data)
    name = options.file
    test_set = TestSet.read(options.raw, options.raw.name, name, languages, name)
    if options.sentences:
        test_set = test_set.first(options.sentences)
    row = measure_verified(
        vq_nat.load(
            options.student,
            data=options.data,
            teacher=options.verifier,
            verify=True,
            verify_best=options.best,
            verify_margin=options.margin,
        ),
        vq_nat.load(options.verifier, data=options.data),
        vq_nat.load(options.student, data=options.data),
        test_set,
        timed=options.timed,
        threads=options.threads,
    )
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    with refusals():
        main()
