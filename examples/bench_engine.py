"""Compares models and engines from ids to ids: ours, CTranslate2, ONNX, PyTorch.

    python examples/bench_engine.py --out OUT --sizes small base
    python examples/bench_engine.py --out OUT --sizes base --threads 2 --words 27
    python examples/bench_engine.py --out OUT --isa vnni     # as on CPUs without AMX
    python examples/bench_engine.py --out OUT --report       # again from the rows

Random weights and forced lengths: nothing is trained. All systems of a size are called
in turn, so that each pair of them compares within one run; `examples/lib/engine_*.py`
say how. A JSON file for each number of words, batch size and number of threads goes to
OUT, and `bench_engine.md` and `bench_engine.png` beside them are made of all that are
there. Pin it to as many quiet cores as it has threads (`taskset -c 0`).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.scripts import positive, refusals

if TYPE_CHECKING:
    from examples.lib.engine_models import Size
    from examples.lib.engine_systems import Kind, Runner
    from examples.lib.engine_turns import Rules

NAMES = ("toy", "small", "base", "big")  # of sizes, see `examples.lib.engine_models`
WORDS = (8, 13, 16, 27, 32, 64)
BATCHES = (1, 8, 32)
# What keeps other libraries from AMX; ONNX Runtime cannot be told.
WITHOUT_AMX = {
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI",
    "MKL_ENABLE_INSTRUCTIONS": "AVX512_E1",
}
CALLS_OF_STAGES = 9
KIND = "engine"  # of rows: those of other scripts have none, or another


def cells(args: argparse.Namespace, usual: int) -> list[tuple[int, int, int]]:
    """Returns what is measured: words, batch size, threads.

    By default all lengths one sentence at a time, and larger batches at the usual and
    the largest length.
    """
    words = sorted(args.words or WORDS)
    some = {usual, words[-1]} & set(words)
    return [
        (length, batch, threads)
        for threads in args.threads
        for batch in args.batches
        for length in words
        if args.full or batch == 1 or length in some
    ]


def open_systems(
    size: Size, kinds: list[Kind], folder: Path
) -> dict[str, tuple[Kind, Runner]]:
    """Opens all systems; their models of PyTorch are given up where not needed."""
    from examples.lib.engine_systems import Workshop

    workshop, opened = Workshop(size, folder), {}
    for kind in kinds:
        progress(f"opening {kind.name}")
        opened[kind.name] = (kind, workshop(kind))
    return opened


def measure_cell(
    name: str,
    opened: dict[str, tuple[Kind, Runner]],
    cell: tuple[int, int, int],
    rules: Rules,
) -> dict[str, Any]:
    """Returns the row of one cell."""
    import torch

    from examples.lib.engine_models import SIZES, draw_sources
    from examples.lib.engine_turns import take_turns
    from vq_nat.bench.machine import calibrate, describe_machine
    from vq_nat.engine import engine
    from vq_nat.results.versions import distribution_version

    words, batch, threads = cell
    size = SIZES[name]
    torch.set_num_threads(threads)
    sources = draw_sources(size, words, count=batch)
    calls = {}
    for system, (kind, runner) in opened.items():
        if kind.workers and (threads == 1 or batch == 1):
            continue  # the same as without
        calls[system] = runner.prepare(sources, words=words, threads=threads)
        check_lengths(system, calls[system](), words)
    before = calibrate()
    times = take_turns(calls, rules)
    machine = describe_machine("cpu", threads)
    for package in ("ctranslate2", "onnxruntime"):
        machine["versions"][package] = distribution_version(package)
    row = {
        "kind": KIND,
        "size": name,
        "words": words,
        "batch_size": batch,
        **machine,
        "instruction_set": engine().instruction_set(),
        "calibration": {**before, "operators_ms_after": calibrate()["operators_ms"]},
        "systems": {
            system: {**opened[system][0]._asdict(), **spans}
            for system, spans in times.items()
        },
    }
    if threads == 1:
        row |= measure_stages(size, opened, sources, words)
    return row


def check_lengths(system: str, counts: list[int], words: int) -> None:
    """Refuses a comparison of translations of different lengths.

    Raises:
        ValueError: naming the system.
    """
    wrong = [count for count in counts if not words <= count <= words + 1]
    if wrong:
        raise ValueError(
            f"translations of {system} must have {words} words, but one has "
            f"{wrong[0]} instead."
        )


def measure_stages(
    size: Size,
    opened: dict[str, tuple[Kind, Runner]],
    sources: list[list[int]],
    words: int,
) -> dict[str, Any]:
    """Returns the stages of our models in int8, and the speeds behind their limits."""
    from examples.lib.engine_limits import limits_of, measure_speeds, stage_rows
    from examples.lib.engine_systems import OursRunner

    speeds, stages = measure_speeds(size), {}
    for kind, runner in opened.values():
        plain = (kind.number_format, kind.beam, kind.shortlist) == ("int8", 1, False)
        if not plain or not isinstance(runner, OursRunner):
            continue
        times = [runner.stages(sources, words) for _ in range(CALLS_OF_STAGES)]
        limits = limits_of(
            size, kind.model, words=words, batch=len(sources), speeds=speeds
        )
        stages[kind.model] = stage_rows(times[1:], limits)
    return {"stages": stages, "speeds": speeds._asdict()} if stages else {}


def measure(args: argparse.Namespace) -> None:
    """Measures all that is asked for, a file each."""
    from examples.lib.engine_models import SIZES
    from examples.lib.engine_systems import kinds_of
    from examples.lib.engine_turns import Rules
    from vq_nat.writing import write_json

    rules = Rules(args.rounds, args.slice, args.longest)
    for name in args.sizes:
        size = SIZES[name]
        kinds = [
            kind
            for kind in kinds_of(size, tuple(args.engines))
            if re.search(args.only, kind.name) and max(args.threads) > kind.workers
        ]
        with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
            opened = open_systems(size, kinds, Path(folder))
            for cell in cells(args, size.words):
                words, batch, threads = cell
                progress(f"{name}: {words} words, batch {batch}, threads {threads}")
                row = measure_cell(name, opened, cell, rules)
                file = f"{name}-words{words}-batch{batch}-threads{threads}.json"
                write_json(row, args.out / file)


def progress(text: str) -> None:
    """Says what is done now."""
    print(text, file=sys.stderr, flush=True)


def write_report(folder: Path) -> None:
    """Writes table and plot from all rows of a folder.

    Raises:
        ValueError: without rows.
    """
    from examples.lib.engine_report import draw, report
    from vq_nat.results.rows import rows_of_kind
    from vq_nat.writing import write_text

    rows = rows_of_kind(folder, KIND)
    if not rows:
        raise ValueError(f"{folder} must hold rows, but has none.")
    picture = folder / "bench_engine.png"
    text = report(rows)
    if draw(rows, picture):
        text += f"\n\n![time against length]({picture.name})"
    write_text(text, folder / "bench_engine.md")
    print(text)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--sizes",
        nargs="+",
        choices=NAMES,
        default=["small", "base"],
        metavar="SIZE",
        help=" ".join(NAMES),
    )
    add("--words", nargs="+", type=positive, help=f"default: {WORDS}")
    add("--batches", nargs="+", type=positive, default=BATCHES)
    add("--threads", nargs="+", type=positive, default=[1])
    add("--full", action="store_true", help="all lengths at all batch sizes")
    engines = ("vq-nat", "CTranslate2", "ONNX", "PyTorch")
    add("--engines", nargs="+", choices=engines, default=engines)
    add("--only", default="", help="a pattern that the systems' names must have")
    add("--isa", help="of the engine; without amx others are kept from it as well")
    add("--rounds", type=positive, default=7)
    add("--slice", type=float, default=0.06, help="seconds of a system in a round")
    add("--longest", type=float, default=6.0, help="seconds; slower: one call only")
    add("--quick", action="store_true", help="a toy, to see that it works")
    add("--report", action="store_true", help="only write the report")
    add("--out", type=Path, required=True, help="folder, such as results/engine/xeon")
    args = parser.parse_args(arguments)
    if args.quick:
        args.sizes, args.words, args.batches = ["toy"], [5, 9], [1, 3]
        args.rounds, args.slice = 2, 0.0
    if args.isa:  # before anything is loaded that reads them
        os.environ["VQ_NAT_ISA"] = args.isa
        os.environ.update(WITHOUT_AMX if args.isa != "amx" else {})
    if not args.report:
        measure(args)
    write_report(args.out)


if __name__ == "__main__":
    with refusals():
        main()
