"""Owns what `fairseq-train --log-format json` wrote: lines, best figures, effort."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

KINDS = ("train_inner", "train", "valid")
ENTRY = re.compile(r" \| (" + "|".join(KINDS) + r") \| (\{.*\})\s*$")
GPU = re.compile(r"\| rank +\d+: capabilities = .* ; name = (.*?)\s*$")
SEED = re.compile(r"'common': \{[^{}]*?'seed': (\d+)")


class LogEntry(NamedTuple):
    """One JSON line of the log."""

    kind: str  # train_inner (every few updates), train (an epoch) or valid
    values: dict[str, float]  # without the prefix "train_" or "valid_"


def read_entry(line: str) -> LogEntry | None:
    """Returns what a line of the log says, None for a line that holds no figures."""
    match = ENTRY.search(line)
    if match is None:
        return None
    try:
        raw = json.loads(match[2])
    except ValueError:  # a line cut off by a crash
        return None
    prefix = f"{match[1]}_"
    values = {name.removeprefix(prefix): as_number(raw[name]) for name in raw}
    return LogEntry(match[1], {k: v for k, v in values.items() if v is not None})


def as_number(value: object) -> float | None:
    """Returns a number; fairseq writes most of them as strings."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number


class TrainingLog(NamedTuple):
    """What is worth keeping of a training's log."""

    updates: int
    seconds: float  # wall time, validation included; of a resumed training the sum
    seed: int | None
    best: dict[str, float]  # the validation that `checkpoint_best.pt` comes from
    gpu: str | None = None  # the last one that it ran on; None: a CPU, as far as known


def summarize(lines: Iterable[str]) -> TrainingLog:
    """Sums up a log, which may hold several runs that continued each other."""
    updates, seconds, seed, gpu = 0, 0.0, None, None
    best: dict[str, float] = {}
    for line in lines:
        if seed is None and (match := SEED.search(line)):
            seed = int(match[1])
        if match := GPU.search(line):
            gpu = match[1]
        entry = read_entry(line)
        if entry is None:
            continue
        updates = max(updates, int(entry.values.get("num_updates", 0)))
        seconds = max(seconds, entry.values.get("wall", 0.0))
        if entry.kind == "valid" and is_better(entry.values, best):
            best = entry.values
    return TrainingLog(updates, seconds, seed, best, gpu)


def is_better(new: dict[str, float], old: dict[str, float]) -> bool:
    """Compares by BLEU, without it by time; of two equals fairseq keeps the later."""
    return new.get("bleu", 0.0) >= old.get("bleu", 0.0)


def read_log(path: Path) -> TrainingLog:
    """Sums up the log in a file.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the training log {path} does not exist.")
    with open(path, encoding="utf-8", errors="replace") as file:
        return summarize(file)
