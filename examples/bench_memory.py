"""How much memory does preparing a corpus take? It must not grow with the corpus.

    python examples/bench_memory.py --pairs 250000 1000000

Generates random text of each size, prepares it as a user does, and reports the largest
resident set of any process that took part. A row of JSON for each size goes to OUT, and
a table made of them is printed.
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
from itertools import accumulate
from pathlib import Path
from typing import NotRequired, TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.places import ROOT
from vq_nat.bench.machine import describe_machine
from vq_nat.results.tables import Column, markdown
from vq_nat.results.writing import write_text

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


def prepare(folder: Path, operations: int, workers: int) -> None:
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


def measure(pairs: int, operations: int, workers: int) -> Memory:
    """Returns the row of one size."""
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


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pairs", type=int, nargs="+", default=[250_000, 1_000_000])
    add("--operations", type=int, default=8_000, help="number of BPE merges")
    add("--workers", type=int, default=os.cpu_count() or 1)
    results = ROOT / "examples" / "results" / "prepare" / "memory.jsonl"
    add("--out", type=Path, default=results)
    add("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside is not None:
        prepare(args.inside, args.operations, args.workers)
        return
    rows = [measure(pairs, args.operations, args.workers) for pairs in args.pairs]
    write_text("\n".join(json.dumps(row, sort_keys=True) for row in rows), args.out)
    write_text(table(rows), args.out.with_suffix(".md"))
    print(table(rows))


if __name__ == "__main__":
    main()
