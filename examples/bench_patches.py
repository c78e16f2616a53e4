"""Measures what each change of fairseq that is a mere speed-up gains in an update.

A small student trains with all of them, and with all but one, each run in a process of
its own; the runs take turns, so that whatever disturbs the machine disturbs them alike.
What counts is the median update of a run, and of rounds the median ratio. On a CPU the
clock is that of the process, which other processes do not disturb.

    python examples/bench_patches.py --data runs/demo/corpus/bin
    python examples/bench_patches.py --data runs/demo/corpus/bin --device cuda
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.places import ROOT
from vq_nat.fairseq_side.patches import PATCHES, SWITCH

SPEED_UPS = [patch.name for patch in PATCHES if patch.speed_up]


def flags(options: argparse.Namespace, folder: str) -> list[str]:
    """Returns the arguments of fairseq-train."""
    command = [
        *(options.data, "--user-dir", str(ROOT / "vq_nat"), "--save-dir", folder),
        *("--task", "discrete_latent_translation", "--no-save", "--num-workers", "0"),
        *("--arch", options.arch, "--criterion", "latent_prediction"),
        *("--optimizer", "adam", "--lr", "0.001", "--clip-norm", "1.0"),
        *("--max-tokens", str(options.max_tokens), "--disable-validation"),
        *(
            "--max-update",
            str(options.updates + options.warm_up),
            "--log-format",
            "none",
        ),
    ]
    return [*command, "--cpu"] if options.device == "cpu" else command


def train(options: argparse.Namespace) -> None:
    """Trains in this process, and prints the milliseconds of each update."""
    import torch
    from fairseq.trainer import Trainer
    from fairseq_cli import train as command

    import vq_nat.translation  # noqa: F401  (which registers what is trained)

    gpu, train_step = options.device != "cpu", Trainer.train_step
    clock = time.perf_counter if gpu else time.process_time
    times: list[float] = []

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = clock()
        logged = train_step(self, *args, **kwargs)
        if gpu:
            torch.cuda.synchronize()
        times.append(1000 * (clock() - start))
        return logged

    Trainer.train_step = timed
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["fairseq-train", *flags(options, folder)]
        command.cli_main()
    print(json.dumps(times[options.warm_up :]))


def run(options: argparse.Namespace, wanted: list[str]) -> float:
    """Trains with some patches in a process of its own; milliseconds of an update.

    Raises:
        RuntimeError: if the training fails.
    """
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--here"],
        env={**os.environ, SWITCH: ",".join(wanted), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the training failed:\n{done.stderr[-2000:]}")
    return median(json.loads(done.stdout.splitlines()[-1]))


def table(options: argparse.Namespace) -> str:
    """Measures in rounds, and returns a table in Markdown."""
    every = [patch.name for patch in PATCHES]
    rounds: list[dict[str, float]] = []
    for _ in range(options.rounds):
        times = {"": run(options, every)}
        for name in SPEED_UPS:
            times[name] = run(options, [one for one in every if one != name])
        rounds.append(times)
    whole = median(one[""] for one in rounds)
    lines = [
        f"An update with all: {whole:.2f} ms ({options.arch}, {options.max_tokens} "
        f"words, {options.device}, {options.updates} updates in {options.rounds} "
        "rounds).",
        "",
        "| without | ms an update | what it gains |",
        "| --- | ---: | ---: |",
    ]
    for name in SPEED_UPS:
        longer = median(one[name] for one in rounds)
        gains = [one[name] / one[""] - 1 for one in rounds]
        lines.append(f"| {name} | {longer:.2f} | {median(gains):+.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, or trains for one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder that fairseq reads")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--arch", default="vq_em_transformer_small")
    parser.add_argument("--max-tokens", type=int, default=1024, help="of a batch")
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=10, help="updates, not timed")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        train(options)
    else:
        print(table(options))


if __name__ == "__main__":
    main()
