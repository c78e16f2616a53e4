"""Owns what experiments of many trainings share: rows made once, figures over seeds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, TypeVar

from data_prep.lib.steps import UserError, once, sha256
from examples.lib.commands import environment, run_with_bar
from examples.lib.progress import TrainingBar
from vq_nat.writing import json_or_none, write_json

RowT = TypeVar("RowT")  # of an experiment


def made_once(
    path: Path, stamp: Path, recipe: dict[str, Any], make: Callable[[], RowT]
) -> tuple[RowT, str]:
    """Returns a training's row, trained only if there is none for this recipe.

    Args:
        path: of the row.
        stamp: of its recipe.
        recipe: all that the row depends on.
        make: trains, and returns the row.

    Returns:
        The row, and "reused" or "trained".
    """
    made = once(stamp, recipe, path, lambda: write_json(make(), path))
    return json_or_none(path), "trained" if made else "reused"


def train(
    command: list[str],
    log: Path,
    *,
    updates: int,
    threads: int,
    device: str,
    name: str = "",
) -> None:
    """Runs a training with a progress bar; a name tells it from others.

    Raises:
        UserError: if it fails.
    """
    run_with_bar(command, log, environment(threads, device), TrainingBar(updates, name))


def hashes(paths: list[Path], root: Path) -> dict[str, str]:
    """Returns the SHA-256 of files by their names below a folder."""
    return {path.relative_to(root).as_posix(): sha256(path) for path in sorted(paths)}


def require_positive(args: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Refuses options below 1.

    Raises:
        UserError: naming the first of them.
    """
    for name in names:
        if getattr(args, name) < 1:
            flag = name.replace("_", "-")
            raise UserError(
                f"--{flag} must be at least 1, but is {getattr(args, name)} instead."
            )


def draw_seeds(
    axis: Any,
    curves: Sequence[Sequence[Mapping[str, Any]]],
    figure: str,
    label: str,
    color: str,
) -> None:
    """Draws the mean over seeds as a line and each seed as a faint one.

    Args:
        axis: matplotlib's.
        curves: of each seed, points with `updates` and the figure.
        figure: what is drawn.
        label: of the mean.
        color: of all of them.
    """
    if not curves:
        return
    updates = [here["updates"] for here in curves[0]]
    for curve in curves:
        axis.plot(
            [here["updates"] for here in curve],
            [here[figure] for here in curve],
            color=color,
            alpha=0.25,
            linewidth=0.8,
        )
    means = [mean(here[figure] for here in points) for points in zip(*curves)]
    axis.plot(updates[: len(means)], means, color=color, label=label)
