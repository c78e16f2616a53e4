"""Owns the picture of a training: its figures over the updates, from fairseq's log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..results.curves import read_curves
from ..writing import replacing
from .plots import plain_ticks, pyplot

LOG = "train.log"
KINDS = ("png", "svg")
# Okabe and Ito's colours, which are told apart by all eyes; lines differ as well.
THEMES: dict[str, dict[str, Any]] = {
    "light": {
        "ground": "#ffffff",
        "ink": "#222222",
        "lines": ("#0072B2", "#D55E00", "#009E73"),
    },
    "dark": {
        "ground": "#16181d",
        "ink": "#e6e6e6",
        "lines": ("#56B4E9", "#E69F00", "#2fc79a"),
    },
}
STYLES = ("-", "--", ":")


class Panel(NamedTuple):
    """One of the small pictures."""

    title: str
    of: str  # "training" or "validation"
    lines: dict[str, str]  # names in the log, and how they are called
    logarithmic: bool = False


PANELS = (
    Panel(
        "loss in training",
        "training",
        {
            "word_nll": "words, bits each",
            "code_nll": "codes, bits each",
            "vq_loss": "bottleneck",
            "nll_loss": "words, bits each",
        },
        True,
    ),
    Panel(
        "validation BLEU",
        "validation",
        {"bleu": "own codes", "bleu_true_codes": "the target's codes"},
    ),
    Panel(
        "validation accuracy",
        "validation",
        {"word_accuracy": "words", "code_accuracy": "codes"},
    ),
    Panel(
        "use of codes: perplexity of a batch",
        "training",
        {"vq_perplexity": "perplexity"},
    ),
    Panel(
        "use of codes: share used lately",
        "training",
        {"vq_recent_codes": "share"},
    ),
    Panel(
        "entropy of the posterior, nats",
        "training",
        {"vq_posterior_entropy": "entropy"},
        True,
    ),
)


def draw_run(run: Path, out: Path) -> list[Path]:
    """Draws what a training logged, on a light and on a dark ground.

    Args:
        run: log of `fairseq-train --log-format json`, or a folder that holds
            `train.log`.
        out: folder of the pictures.

    Returns:
        The pictures, PNG and SVG.

    Raises:
        FileNotFoundError: if there is no log.
        ValueError: if it holds no figures.
        ImportError: without matplotlib.
    """
    log = run / LOG if run.is_dir() else run
    if not log.is_file():
        raise FileNotFoundError(f"the training log {log} does not exist.")
    read = read_curves(log)
    curves = {"training": [*read["training"]], "validation": [*read["validation"]]}
    panels = [panel for panel in PANELS if any(known(panel, curves))]
    if not panels:
        raise ValueError(
            f"{log} must hold figures of fairseq-train --log-format json, but holds "
            "none."
        )
    return [path for theme in THEMES for path in draw(panels, curves, theme, out)]


def known(
    panel: Panel, curves: dict[str, list[Any]]
) -> Iterator[tuple[str, list[int], list[float]]]:
    """Yields each line of a panel that was logged: its name, updates and values."""
    for name, called in panel.lines.items():
        points = [point for point in curves[panel.of] if name in point]
        if points:
            yield (
                called,
                [point["updates"] for point in points],
                [point[name] for point in points],
            )


def draw(
    panels: list[Panel], curves: dict[str, list[Any]], theme: str, out: Path
) -> Iterator[Path]:
    """Draws the panels in one theme, and yields the files."""
    plots, look = pyplot(), THEMES[theme]
    ink, ground = look["ink"], look["ground"]
    keys = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color")
    style = {**dict.fromkeys((*keys, "ytick.color"), ink), "svg.hashsalt": "vq-nat"}
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor"), ground)
    style |= {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    with plots.rc_context(style):
        columns = min(3, len(panels))
        rows = -(-len(panels) // columns)
        size = (4.2 * columns, 3.1 * rows)
        figure, axes = plots.subplots(rows, columns, figsize=size, squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for axis, panel in zip(axes.flat, panels):
            draw_panel(axis, panel, curves, look)
        figure.tight_layout()
        for kind in KINDS:
            path = out / f"training-{theme}.{kind}"
            with replacing(path) as temporary:
                dated = {"metadata": {"Date": None}} if kind == "svg" else {}
                figure.savefig(temporary, format=kind, dpi=110, **dated)
            yield path
        plots.close(figure)


def draw_panel(
    axis: Any, panel: Panel, curves: dict[str, list[Any]], look: dict[str, Any]
) -> None:
    """Draws the lines of one panel, and names them if they are several."""
    lines = list(known(panel, curves))
    for number, (called, updates, values) in enumerate(lines):
        axis.plot(
            updates,
            values,
            color=look["lines"][number],
            linestyle=STYLES[number],
            linewidth=1.8,
            marker="o" if len(updates) == 1 else "",
            label=called,
        )
    axis.set_title(panel.title, fontsize=10, loc="left")
    axis.set_xlabel("updates")
    axis.grid(color=look["ink"], alpha=0.15, linewidth=0.6)
    if panel.logarithmic and any(max(values) > 0 for _, _, values in lines):
        axis.set_yscale("log", nonpositive="mask")
        plain_ticks(axis.yaxis)
    else:
        axis.set_ylim(0, 1.05 * max(max(values) for _, _, values in lines) or 1)
    if len(lines) > 1:
        axis.legend(frameon=False, fontsize=8)
