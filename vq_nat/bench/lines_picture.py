"""Owns pictures of lines: quality against time, over lengths, and their trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.lengths import RANGES, bleu_at, ms_at, words_at
from ..results.lines import (
    Cost,
    Line,
    by_best_batch,
    by_latency,
    comparable,
    pareto_front,
)
from ..results.reach import drawn, teacher_of
from ..results.rows import at
from .labels import place_names
from .plots import plain_ticks, pyplot

Points = list[tuple[float, float]]

CURVES = {  # of training, but for BLEU
    "word_nll": "words, bits each",
    "code_nll": "codes, bits each",
    "bleu": "validation BLEU; dashed: with true codes",
    "vq_perplexity": "perplexity of a batch's codes",
    "vq_posterior_entropy": "entropy of the E-step, nats",
    "vq_recent_codes": "share of codes used lately",
}
# Losses fall far at first, and then slowly; the entropy falls when quantising begins.
LOGARITHMIC = ("word_nll", "code_nll", "vq_posterior_entropy")
OF_VALIDATION = {"bleu": "-", "bleu_true_codes": "--"}
SHOWN = 0.65  # of the best BLEU; what is below it is named, not drawn
COLORS = 10  # of matplotlib
COLUMNS = 3  # of panels
STYLES = ("-", "--", ":")


def draw_pareto(lines: Sequence[Line], path: Path) -> bool:
    """Draws BLEU against time at batch 1 and at the best batch; False of one or two."""
    known, low = divide(comparable(lines))
    if len(known) <= 2:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(2, 1, figsize=(11, 13))
    draw_front(axes[0], known, by_latency)
    axes[0].set_xlabel("ms/sentence, one sentence at a time")
    draw_front(axes[1], known, by_best_batch)
    axes[1].set_xlabel("ms/sentence, in batches of the best size")
    if low:
        named = ", ".join(f"{e.name} ({e.bleu:.1f}, {e.latency:.0f} ms)" for e in low)
        axes[0].set_title(f"too low to be shown: {named}", fontsize=8, loc="right")
    figure.tight_layout()
    for axis in axes:
        place_names(axis)
    figure.savefig(path, dpi=100)
    plots.close(figure)
    return True


def divide(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Returns the lines to draw, and those so low that they would press the others."""
    least = SHOWN * max((line.bleu for line in lines), default=0.0)
    shown = [line for line in lines if line.bleu >= least]
    return shown, [line for line in lines if line.bleu < least]


def draw_front(axis: Any, lines: Sequence[Line], cost: Cost) -> None:
    """Draws every line as a point, and those that none beats as a line."""
    from matplotlib.patheffects import withStroke

    front = pareto_front(lines, cost)
    last = max(cost(line) for line in lines)
    axis.plot(
        [*(cost(line) for line in front), last],
        [*(line.bleu for line in front), front[-1].bleu],
        color="grey",
        linewidth=1,
        drawstyle="steps-post",
        label="Pareto front: nothing is both better and faster",
    )
    for label, color, own in (("ours", "C1", True), ("others", "C0", False)):
        group = [line for line in lines if line.ours == own]
        axis.scatter(
            [cost(line) for line in group],
            [line.bleu for line in group],
            color=color,
            s=20,
            zorder=2,
            label=label,
        )
    for line in sorted(lines, key=lambda line: line not in front):
        axis.annotate(
            line.name,
            (cost(line), line.bleu),
            textcoords="offset points",
            xytext=(0, 0),
            fontsize=8,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    axis.set_xscale("log")
    plain_ticks(axis.xaxis)
    axis.margins(x=0.2, y=0.08)
    axis.set_ylabel("BLEU")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=3, frameon=False)


def draw_lengths(lines: Sequence[Line], path: Path) -> bool:
    """Draws time and BLEU's difference to the teacher; False without both."""
    shown, teacher = drawn(lines), teacher_of(lines)
    if teacher is None or len(shown) < 2:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(2, 1, figsize=(11, 12))
    for line in shown:
        (curve,) = axes[0].plot(*zip(*times(line)), marker="o", label=line.name)
        differences = losses(line, teacher)
        if differences and line is not teacher:
            color = curve.get_color()
            axes[1].plot(*zip(*differences), marker="o", color=color)
    axes[0].set_yscale("log")
    plain_ticks(axes[0].yaxis)
    axes[0].set_ylabel("ms/sentence, one sentence at a time")
    axes[1].axhline(0, color="grey", linewidth=1)
    axes[1].set_ylabel(f"BLEU less that of {teacher.name}")
    for axis in axes:
        axis.set_xlabel("words of the reference, the mean of a range")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=3, frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plots.close(figure)
    return True


def times(line: Line) -> Points:
    """Returns words and milliseconds of each range that was timed."""
    return [
        (words_at(line, length), ms)
        for length in RANGES
        if (ms := ms_at(line, length)) is not None
    ]


def losses(line: Line, teacher: Line) -> Points:
    """Returns words and the difference of BLEU of each range that both know."""
    points: Points = []
    for length in RANGES:
        own, other = bleu_at(line, length), bleu_at(teacher, length)
        if None not in (own, other, ms_at(line, length)):
            points.append((words_at(line, length), (own or 0.0) - (other or 0.0)))
    return points


def draw_curves(lines: Sequence[Line], path: Path) -> bool:
    """Draws the trainings of the latent systems, one seed each; False if empty."""
    models = {line.model: line for line in lines if curve_of(line)}
    models = {k: e for k, e in models.items() if e.group != "ablations"}
    if not models:
        return False
    plots = pyplot()
    panels = [name for name in CURVES if any(known(e, name) for e in models.values())]
    height = -(-len(panels) // COLUMNS)
    figure, axes = plots.subplots(
        height, COLUMNS, figsize=(13, 0.7 + 3.15 * height), squeeze=False
    )
    for axis, name in zip(axes.flat, panels):
        draw_panel(axis, name, models)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, frameon=False)
    figure.tight_layout(rect=(0, 0.14 / height, 1, 1))
    figure.savefig(path, dpi=110)
    plots.close(figure)
    return True


def draw_panel(axis: Any, name: str, models: Mapping[str, Line]) -> None:
    """Draws one figure of all trainings."""
    for number, (model, line) in enumerate(models.items()):
        if name not in OF_VALIDATION:
            draw_curve(axis, known(line, name), name, number, label=model)
            continue
        for key, style in OF_VALIDATION.items():
            draw_curve(axis, known(line, key), key, number, linestyle=style)
    axis.set_title(CURVES[name], fontsize=10)
    axis.set_xlabel("updates")
    if name in LOGARITHMIC:
        axis.set_yscale("log")
        plain_ticks(axis.yaxis)
    if name == "vq_recent_codes":
        axis.set_ylim(0, 1.05)


def known(line: Line, name: str) -> list[dict[str, float]]:
    """Returns the points of a training that have a figure; words have no entropy."""
    curve = curve_of(line)
    if name in OF_VALIDATION:
        curve = at(line.rows[0], "curves", "validation") or []
    return [point for point in curve if name in point]


def curve_of(line: Line) -> list[dict[str, float]]:
    """Returns the training curve of a latent system's first seed, if there is one."""
    curve = at(line.rows[0], "curves", "training") or ()
    return [point for point in curve if "code_nll" in point]


def draw_curve(
    axis: Any, curve: Sequence[dict[str, float]], name: str, number: int, **style: Any
) -> None:
    """Draws one figure over the updates; no two trainings look the same."""
    axis.plot(
        [point["updates"] for point in curve],
        [point[name] for point in curve],
        color=f"C{number % COLORS}",
        **{"linestyle": STYLES[number // COLORS % len(STYLES)], **style},
        linewidth=1,
    )
