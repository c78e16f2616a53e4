"""How much memory do preparing a corpus and training on it take?

    python examples/bench_memory.py --pairs 250000 1000000
    python examples/bench_memory.py --updates 300 --data CORPUS

The first must not grow with the corpus: it generates random text of each size, prepares
it as a user does, and reports the largest resident set of any process that took part.
The second trains on a CPU, with few compiled products kept (as our tasks do it) and
with as many as torch keeps. Rows of JSON go to OUT, and a table of them is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NotRequired, TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.places import ROOT
from vq_nat.results.tables import Column, markdown
from vq_nat.writing import write_text

RESULTS = ROOT / "examples" / "results"
WORDS = 30_000  # types in each language, with the frequencies of Zipf's law
LONGEST = 40


def write_corpus(folder: Path, pairs: int) -> None:
    """Writes pairs of random sentences, and small validation and test sets."""
    folder.mkdir(parents=True)
    draw = random.Random(1)
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))
    for lang in ("en", "de"):
        words = [f"{lang}{number:x}" for number in range(WORDS)]
        for split, size in (("train", pairs), ("valid", 1_000), ("test", 1_000)):
            path = folder / f"{split}.{lang}"
            lengths = random.Random(split)  # the same on both sides
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                for _ in range(size):
                    length = lengths.randint(3, LONGEST)
                    chosen = draw.choices(words, cum_weights=weights, k=length)
                    file.write(" ".join(chosen) + " .\n")


def prepare(folder: Path, *, operations: int, workers: int) -> None:
    """Prepares the corpus and print the largest resident set, in KiB."""
    command = [sys.executable, str(ROOT / "data_prep" / "prepare.py")]
    command += ["--raw", str(folder / "raw"), "--out", str(folder / "out")]
    command += ["--source-lang", "en", "--target-lang", "de"]
    command += ["--bpe-operations", str(operations), "--workers", str(workers)]
    command += ["--max-ratio", "1.5", "--drop-tested"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


class Memory(TypedDict):
    """What preparing so many pairs took."""

    pairs: int
    operations: int
    workers: int
    peak_mib: int
    seconds: int
    device: NotRequired[str]  # older rows do not say on what
    processor: NotRequired[str]
    threads: NotRequired[int]
    versions: NotRequired[dict[str, str]]
    commit: NotRequired[str]


def measure(pairs: int, *, operations: int, workers: int) -> Memory:
    """Returns the row of one size."""
    from vq_nat.bench.machine import describe_machine  # with torch: only here

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "raw", pairs)
        begin = time.monotonic()
        # In a process of its own: what counts is the largest child until now.
        result = subprocess.run(
            [sys.executable, __file__, "--inside", name]
            + ["--operations", str(operations), "--workers", str(workers)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.monotonic() - begin
    return {
        "pairs": pairs,
        "peak_mib": round(int(result.stdout) / 1024),
        "seconds": round(seconds),
        "operations": operations,
        "workers": workers,
        **describe_machine("cpu", workers),
    }


def table(rows: list[Memory]) -> str:
    """Returns the Markdown table of the rows."""
    columns: list[Column[Memory]] = [
        ("pairs", lambda row: f"{row['pairs']:,}"),
        ("peak memory of a process", lambda row: f"{row['peak_mib']} MiB"),
        ("minutes", lambda row: f"{row['seconds'] / 60:.1f}"),
    ]
    return markdown(columns, rows)


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pairs", type=int, nargs="+", default=[250_000, 1_000_000])
    add("--operations", type=int, default=8_000, help="number of BPE merges")
    add("--workers", type=int, default=os.cpu_count() or 1)
    add("--updates", type=int, help="instead: train so long on the corpus of --data")
    add("--data", type=Path, help="a corpus that prepare.py made, for --updates")
    add("--out", type=Path, help="default: examples/results/{prepare,training}/")
    add("--inside", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if (args.updates is None) != (args.data is None):
        parser.error("--updates and --data must be given together.")
    settings = {"operations": args.operations, "workers": args.workers}
    if args.updates is not None:
        train(args)
    elif args.inside is not None:
        prepare(Path(args.inside), **settings)
    else:
        sizes = [measure(pairs, **settings) for pairs in args.pairs]
        write(sizes, table(sizes), args.out or RESULTS / "prepare" / "memory.jsonl")


def train(args: argparse.Namespace) -> None:
    """Trains with few products and with many, each in a process of its own."""
    from examples.lib import training_memory  # with torch

    if args.inside is not None:
        one = training_memory.train(args.data, args.updates, args.inside == "many")
        print(json.dumps(one))
        return
    rows = [
        training_memory.by_itself(__file__, args.data, args.updates, many)
        for many in (False, True)
    ]
    out = args.out or RESULTS / "training" / "memory.jsonl"
    write(rows, training_memory.table(rows), out)


def write(rows: Sequence[Mapping[str, object]], text: str, out: Path) -> None:
    """Writes rows and their table, and prints the table."""
    write_text("\n".join(json.dumps(row, sort_keys=True) for row in rows), out)
    write_text(text, out.with_suffix(".md"))
    print(text)


if __name__ == "__main__":
    main()
