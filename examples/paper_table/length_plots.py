"""Owns the report's pictures over the length of a sentence: time, and loss of BLEU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from examples.paper_table.entries import Entry
from examples.paper_table.lengths import bleu_at, drawn, ms_at, teacher_of, words_at
from vq_nat.bench.plots import plain_ticks, pyplot
from vq_nat.results.lengths import RANGES

Points = list[tuple[float, float]]


def draw_lengths(entries: Sequence[Entry], path: Path) -> bool:
    """Draws time and BLEU's difference to the teacher; False without both."""
    lines, teacher = drawn(entries), teacher_of(entries)
    if teacher is None or len(lines) < 2:
        return False
    plots = pyplot()
    figure, axes = plots.subplots(2, 1, figsize=(11, 12))
    for entry in lines:
        (curve,) = axes[0].plot(*zip(*times(entry)), marker="o", label=entry.name)
        differences = losses(entry, teacher)
        if differences and entry is not teacher:
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


def times(entry: Entry) -> Points:
    """Returns words and milliseconds of each range that was timed."""
    return [
        (words_at(entry, length), found)
        for length in RANGES
        if (found := ms_at(entry, length)) is not None
    ]


def losses(entry: Entry, teacher: Entry) -> Points:
    """Returns words and the difference of BLEU of each range that both know."""
    points: Points = []
    for length in RANGES:
        own, other = bleu_at(entry, length), bleu_at(teacher, length)
        if None not in (own, other, ms_at(entry, length)):
            points.append((words_at(entry, length), (own or 0.0) - (other or 0.0)))
    return points
