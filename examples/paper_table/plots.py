"""Owns the report's pictures: quality against time, and training curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from examples.lib.labels import place_names
from examples.paper_table.entries import (
    Entry,
    by_latency,
    comparable,
    pareto_front,
    seconds_at_best,
)
from vq_nat.bench.plots import plain_ticks, pyplot
from vq_nat.results.rows import at

CURVES = {  # of training, but for BLEU
    "word_nll": "words, bits each",
    "code_nll": "codes, bits each",
    "bleu": "validation BLEU; dashed: with true codes",
    "vq_perplexity": "perplexity of a batch's codes",
    "vq_posterior_entropy": "entropy of the E-step, nats",
    "vq_recent_codes": "share of codes used lately",
}
# They fall far at once, and then slowly; the entropy, when quantising begins.
LOGARITHMIC = ("word_nll", "code_nll", "vq_posterior_entropy")
OF_VALIDATION = {"bleu": "-", "bleu_true_codes": "--"}
SHOWN = 0.65  # of the best BLEU; what is below it is named, not drawn
COLORS = 10  # of matplotlib
STYLES = ("-", "--", ":")


def draw_pareto(entries: Sequence[Entry], path: Path) -> bool:
    """Draws BLEU against time at batch 1 and at the best batch; False of one or two."""
    known, low = divide(comparable(entries))
    if len(known) <= 2:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(2, 1, figsize=(11, 13))
    draw_front(axes[0], known, by_latency)
    axes[0].set_xlabel("ms/sentence, one sentence at a time")
    draw_front(axes[1], known, lambda entry: 1000 * seconds_at_best(entry))
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


def divide(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Returns the lines to draw, and those so low that they would press the others."""
    least = SHOWN * max((entry.bleu for entry in entries), default=0.0)
    shown = [entry for entry in entries if entry.bleu >= least]
    return shown, [entry for entry in entries if entry.bleu < least]


def draw_front(
    axis: Any, entries: Sequence[Entry], cost: Callable[[Entry], float]
) -> None:
    """Draws every line as a point, and those that none beats as a line."""
    from matplotlib.patheffects import withStroke

    front = pareto_front(entries, cost)
    last = max(cost(entry) for entry in entries)
    axis.plot(
        [*(cost(entry) for entry in front), last],
        [*(entry.bleu for entry in front), front[-1].bleu],
        color="grey",
        linewidth=1,
        drawstyle="steps-post",
        label="Pareto front: nothing is both better and faster",
    )
    for label, color, own in (("ours", "C1", True), ("others", "C0", False)):
        group = [entry for entry in entries if entry.ours == own]
        axis.scatter(
            [cost(entry) for entry in group],
            [entry.bleu for entry in group],
            color=color,
            s=20,
            zorder=2,
            label=label,
        )
    for entry in sorted(entries, key=lambda entry: entry not in front):
        axis.annotate(
            entry.name,
            (cost(entry), entry.bleu),
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


def draw_curves(entries: Sequence[Entry], path: Path) -> bool:
    """Draws the trainings of the latent systems, one seed each; False if empty."""
    models = {entry.spec.model: entry for entry in entries if curve_of(entry)}
    models = {k: e for k, e in models.items() if e.spec.group != "ablations"}
    if not models:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(2, 3, figsize=(13, 7))
    for axis, (name, title) in zip(axes.flat, CURVES.items(), strict=True):
        for number, (model, entry) in enumerate(models.items()):
            if name not in OF_VALIDATION:
                draw_curve(axis, curve_of(entry), name, number, label=model)
                continue
            for key, style in OF_VALIDATION.items():
                known = at(entry.rows[0], "curves", "validation") or ()
                draw_curve(axis, known, key, number, linestyle=style)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("updates")
        if name in LOGARITHMIC:
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
        if name == "vq_recent_codes":
            axis.set_ylim(0, 1.05)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=110)
    plots.close(figure)
    return True


def curve_of(entry: Entry) -> list[dict[str, float]]:
    """Returns the training curve of a latent system's first seed, if there is one."""
    curve = at(entry.rows[0], "curves", "training") or ()
    return [point for point in curve if "code_nll" in point]


def draw_curve(
    axis: Any, curve: Sequence[dict[str, float]], name: str, number: int, **style: Any
) -> None:
    """Draws one figure over the updates; no two trainings look the same."""
    known = [point for point in curve if name in point]
    axis.plot(
        [point["updates"] for point in known],
        [point[name] for point in known],
        color=f"C{number % COLORS}",
        **{"linestyle": STYLES[number // COLORS % len(STYLES)], **style},
        linewidth=1,
    )
