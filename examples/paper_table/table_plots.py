"""Owns the report's pictures: quality against time, and training curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from table_entries import Entry, pareto_front, seconds_at_best
from table_winners import comparable, is_ours

CURVES = {
    "word_nll": "words, bits each",
    "code_nll": "codes, bits each",
    "vq_loss": "commitment loss",
    "vq_recent_codes": "share of codes used lately",
    "vq_perplexity": "perplexity of codes",
    "vq_posterior_entropy": "entropy of the E-step, nats",
}


def pyplot() -> Any:
    """Returns matplotlib's, for files instead of screens.

    Raises:
        ImportError: without matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as module

    return module


def draw_pareto(entries: Sequence[Entry], path: Path) -> bool:
    """Draws BLEU against time at batch 1 and at the best batch; False if empty."""
    known = comparable(entries)
    if not known:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(1, 2, figsize=(13, 6), sharey=True)
    draw_front(axes[0], known, lambda entry: entry.latency)
    axes[0].set_xlabel("ms/sentence, one sentence at a time")
    axes[0].set_ylabel("BLEU")
    draw_front(axes[1], known, lambda entry: 1000 * seconds_at_best(entry))
    axes[1].set_xlabel("ms/sentence, in batches of the best size")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plots.close(figure)
    return True


def draw_front(
    axis: Any, entries: Sequence[Entry], cost: Callable[[Entry], float]
) -> None:
    """Draws every line as a point, and those that none beats as a line."""
    front = pareto_front(entries, cost)
    axis.plot(
        [cost(entry) for entry in front],
        [entry.bleu for entry in front],
        color="grey",
        linewidth=1,
        drawstyle="steps-post",
    )
    from matplotlib.ticker import LogLocator, NullFormatter

    by_cost = sorted(entries, key=cost)
    for number, entry in enumerate(by_cost):
        color = "C1" if is_ours(entry) else "C0"
        axis.scatter(cost(entry), entry.bleu, color=color, s=18, zorder=2)
        axis.annotate(
            entry.name,
            (cost(entry), entry.bleu),
            textcoords="offset points",
            xytext=(4, 3 if number % 2 else -9),  # neighbours above and below
            fontsize=7,
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(x=0.2)
    axis.set_title("ours in orange; the line is the Pareto front", fontsize=9)


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
            draw_curve(axis, curve_of(entry), name, model, f"C{number % 10}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("updates")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=110)
    plots.close(figure)
    return True


def curve_of(entry: Entry) -> list[dict[str, float]]:
    """Returns the training curve of a latent system's first seed, if there is one."""
    curves = entry.rows[0].get("curves") or {}
    return [point for point in curves.get("training", ()) if "code_nll" in point]


def draw_curve(
    axis: Any, curve: Sequence[dict[str, float]], name: str, label: str, color: str
) -> None:
    """Draws one figure over the updates."""
    known = [point for point in curve if name in point]
    axis.plot(
        [point["updates"] for point in known],
        [point[name] for point in known],
        color=color,
        linewidth=1,
        label=label,
    )
