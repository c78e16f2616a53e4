"""Owns how much memory a training takes, with few compiled products and with many.

The training is a student's of the size that Multi30k has, without its teacher.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from examples.lib.commands import environment
from examples.lib.trainings import fairseq_train
from vq_nat.bench.machine import describe_machine
from vq_nat.results.rows import Machine
from vq_nat.results.tables import Column, markdown

# Read by torch and oneDNN; our task sets less where the environment does not say.
CAPACITIES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
USUAL = 1024  # of both, where nobody sets them
FLAGS = {
    "arch": "vq_em_transformer_small",
    "encoder-embed-dim": 192,
    "encoder-ffn-embed-dim": 768,
    "encoder-attention-heads": 4,
    "compression-steps": 2,
    "predictor-layers": 3,
    "criterion": "latent_prediction",
    "optimizer": "adam",
    "clip-norm": 1.0,
    "lr": 0.0015,
    "lr-scheduler": "inverse_sqrt",
    "warmup-updates": 300,
    "max-tokens": 3072,
    "seed": 1,
    "disable-validation": True,
    "no-save": True,
}


class TrainingMemory(Machine):
    """What a training of so many updates took."""

    updates: int
    products: str  # that are kept
    peak_mib: int
    cpu_seconds: float  # of all cores, the start included


def train(data: Path, updates: int, many: bool) -> TrainingMemory:
    """Trains in a process of its own and returns what it took.

    Only in a process that has had no larger child: the largest is all that is known.

    Args:
        data: a corpus that prepare.py made.
        updates: how long.
        many: keep as many compiled products as torch and oneDNN do by themselves.
    """
    env = environment(1, "cpu")
    for name in CAPACITIES:
        env.pop(name, None)
    if many:
        env |= dict.fromkeys(CAPACITIES, str(USUAL))
    command = fairseq_train(
        data / "bin", data / "bin" / "no-checkpoints", {**FLAGS, "max-update": updates}
    )
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "updates": updates,
        "products": str(USUAL) if many else "few",
        "peak_mib": round(used.ru_maxrss / 1024),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        **describe_machine("cpu", 1),
    }


def by_itself(script: str, data: Path, updates: int, many: bool) -> TrainingMemory:
    """Returns what the script prints of one training, in a process of its own."""
    result = subprocess.run(
        [sys.executable, script, "--updates", str(updates), "--data", str(data)]
        + ["--inside", "many" if many else "few"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    row: TrainingMemory = json.loads(result.stdout)
    return row


def table(rows: list[TrainingMemory]) -> str:
    """Returns the Markdown table of the rows."""
    columns: list[Column[TrainingMemory]] = [
        ("compiled products kept", lambda row: row["products"]),
        ("updates", lambda row: f"{row['updates']:,}"),
        ("peak memory", lambda row: f"{row['peak_mib']:,} MiB"),
        ("seconds of a core", lambda row: f"{row['cpu_seconds']:.0f}"),
    ]
    return markdown(columns, rows)
