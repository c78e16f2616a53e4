"""Owns training curves: few enough points for a row, so that no report needs a log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from .training_log import LogEntry, read_entry

Curve = list[dict[str, float]]
POINTS = 40
# Names as fairseq logs them; what a training does not log is left out.
TRAINING = (
    "loss",
    "word_nll",
    "code_nll",
    "vq_loss",
    "nll_loss",
    "vq_perplexity",
    "vq_recent_codes",
    "vq_posterior_entropy",
)
VALIDATION = ("loss", "bleu", "bleu_true_codes", "code_accuracy", "word_accuracy")


class Curves(TypedDict):
    """A training over its updates."""

    training: Curve
    validation: Curve


def read_curves(log: Path) -> Curves:
    """Returns what a log says over the updates.

    Args:
        log: of fairseq-train; a training that was continued may repeat updates.

    Returns:
        `training` and `validation`: points with `updates` and what is known there.
    """
    with open(log, encoding="utf-8", errors="replace") as lines:
        entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    inner = [entry for entry in entries if entry.kind == "train_inner"]
    valid = [entry for entry in entries if entry.kind == "valid"]
    return {
        "training": thin(points(inner, TRAINING)),
        "validation": points(valid, VALIDATION),
    }


def points(entries: Sequence[LogEntry], names: Sequence[str]) -> Curve:
    """Returns a point for each number of updates; of repeated ones the last."""
    curve: dict[int, dict[str, float]] = {}
    for entry in entries:
        updates = int(entry.values.get("num_updates", 0))
        known = {k: round(entry.values[k], 4) for k in names if k in entry.values}
        curve[updates] = {"updates": updates, **known}
    return [curve[updates] for updates in sorted(curve)]


def thin(curve: Curve, count: int = POINTS) -> Curve:
    """Returns at most `count` points, each the mean of some that follow each other."""
    if len(curve) <= count:
        return curve
    edges = [round(number * len(curve) / count) for number in range(count + 1)]
    return [average(curve[start:end]) for start, end in zip(edges, edges[1:])]


def average(curve: Curve) -> dict[str, float]:
    """Returns the mean of points, at the updates of the last."""
    names = [name for name in curve[-1] if name != "updates"]
    values = {n: [point[n] for point in curve if n in point] for n in names}
    means = {name: round(sum(v) / len(v), 4) for name, v in values.items()}
    return {"updates": curve[-1]["updates"], **means}
