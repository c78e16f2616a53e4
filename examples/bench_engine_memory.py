"""Does the engine's memory grow with the sentences it translates? It must not.

    python examples/bench_engine_memory.py --out memory.json

Tiny models with random weights translate so many sentences of 1 to 40 words, one at a
time, in batches of 64 and in calls of 1,000 on two threads. What the process holds is
read after the first tenth, by which all scratch memory has found its size, and at the
end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.engine_models import SIZES, draw_sources
from examples.lib.engine_systems import OURS, Kind, OursRunner, Workshop
from vq_nat.bench.machine import describe_machine, resident_bytes
from vq_nat.results.rows import Machine
from vq_nat.writing import write_json

MODELS = ("VQ", "1+1")
BATCHES = {1: 1, 64: 1, 1000: 2}  # and their threads
LONGEST = 40  # words
DIFFERENT = 1000  # sentences, translated again and again
MIB = 2**20


class Held(TypedDict):
    """What the process held while a model translated."""

    model: str
    batch_size: int
    threads: int
    sentences: int
    mib_at_a_tenth: float
    mib: float
    grown_mib: float


class EngineMemoryRow(Machine):
    """Of all models and batch sizes."""

    kind: str
    rows: list[Held]


def grow(runner: OursRunner, *, batch: int, threads: int, count: int) -> Held:
    """Translates many sentences, and returns what the memory was."""
    rows = [
        draw_sources(runner.size, 1 + number % LONGEST, count=1, seed=number)[0]
        for number in range(DIFFERENT)
    ]
    options = runner.options(words=1, threads=threads)
    options.max_len_a, options.max_len_b = 1, 5
    done, early = 0, 0
    while done < count:
        start = done % DIFFERENT
        part = rows[start : start + batch]
        runner.model.translate(part, options)
        done += len(part)
        if not early and done >= count / 10:
            early = resident_bytes()
    late = resident_bytes()
    return {
        "model": runner.kind.model,
        "batch_size": batch,
        "threads": threads,
        "sentences": done,
        "mib_at_a_tenth": round(early / MIB, 2),
        "mib": round(late / MIB, 2),
        "grown_mib": round((late - early) / MIB, 2),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints a line each, and writes the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(SIZES["toy"], Path(folder))
        for model in MODELS:
            runner = OursRunner(workshop, Kind(OURS, model))
            for batch, threads in BATCHES.items():
                row = grow(runner, batch=batch, threads=threads, count=args.sentences)
                rows.append(row)
                print(
                    f"{model}, batch {batch}, {threads} thread(s): {row['mib']} MiB "
                    f"after {row['sentences']:,} sentences, {row['grown_mib']} more "
                    "than after a tenth",
                    flush=True,
                )
    machine = describe_machine("cpu", max(BATCHES.values()))
    result: EngineMemoryRow = {"kind": "engine-memory", **machine, "rows": rows}
    write_json(result, args.out)


if __name__ == "__main__":
    main()
