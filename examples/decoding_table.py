r"""Measures the ways to decode a latent model, and prints the table.

    python examples/decoding_table.py runs/demo/student/checkpoint_best.pt \
        --teacher runs/demo/teacher/checkpoint_best.pt \
        --raw runs/demo/corpus/raw --data runs/demo/corpus/bin --corpus demo

Each mode's row is written to ROWS/CORPUS/decoding/MODE.json as soon as it is measured,
and the table to decoding.md beside them; `--table-only` makes it of the rows that are
there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import vq_nat
from examples.lib.places import ROOT
from vq_nat.bench.conditions import Conditions
from vq_nat.bench.decoding import (
    FOLDER,
    choose,
    decoding_table,
    load_modes,
    measure_modes,
    write_mode,
)
from vq_nat.bench.sentences import TestSet
from vq_nat.translation.loading import languages_of


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("student", type=Path, nargs="?", help="a latent checkpoint")
    parser.add_argument("--teacher", type=Path, help="an autoregressive checkpoint")
    parser.add_argument("--raw", type=Path, help="folder with test.en and test.de")
    parser.add_argument("--data", type=Path, help="folder with the dictionaries")
    parser.add_argument("--corpus", required=True, help="name of the corpus")
    parser.add_argument("--modes", nargs="+", metavar="MODE", help="default: all")
    parser.add_argument("--rows", type=Path, default=ROOT / "examples" / "results")
    parser.add_argument("--sentences", type=int, help="of the test set; default: all")
    parser.add_argument("--timed", type=int, default=100, help="sentences timed alone")
    parser.add_argument("--repeats", type=int, default=3, help="of each timed sentence")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table-only", action="store_true")
    options = parser.parse_args(arguments)
    if not options.table_only and (options.student is None or options.raw is None):
        parser.error("a measurement needs STUDENT and --raw")
    return options


def measure(options: argparse.Namespace) -> None:
    """Measures the modes and writes their rows."""
    chosen = choose(options.modes, options.teacher is not None)
    languages = languages_of(options.student, options.data)
    test_set = TestSet.read(options.raw, options.corpus, "test", languages)
    if options.sentences:
        test_set = test_set.first(options.sentences)
    translator = vq_nat.load(
        options.student,
        data=options.data,
        device=options.device,
        teacher=options.teacher,
    )
    conditions = Conditions(
        device=options.device,
        threads=options.threads,
        timed_sentences=options.timed,
        repeats=options.repeats,
    )
    for row in measure_modes(translator, chosen, test_set, conditions, options.rows):
        print(write_mode(row, options.rows), file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Measures, if asked to, and prints the table; returns the exit code."""
    options = parse(arguments)
    try:
        if not options.table_only:
            measure(options)
        table = decoding_table(load_modes(options.rows, options.corpus))
        folder = options.rows / options.corpus / FOLDER
        (folder / "decoding.md").write_text(table + "\n", encoding="utf-8")
        print(table)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
