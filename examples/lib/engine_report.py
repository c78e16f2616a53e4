"""Owns the report of the comparison of engines: tables, who wins where, limits.

All of it is written from the rows; nothing is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from examples.lib.engine_models import SIZES, is_latent
from examples.lib.engine_rows import EngineRow, Stage, System
from examples.lib.engine_turns import times_as_fast
from vq_nat.bench.plots import plain_ticks, pyplot
from vq_nat.results.rows import at
from vq_nat.results.tables import Column, distinct, markdown, number, packages

INTRODUCTION = """\
Random weights, forced lengths: T words from T words, from ids to ids, greedy unless a
beam is named. `VQ` has codes of 8 words and `words` codes of 2, with so many layers in
each of encoder, predictor and decoder, or as many as are named; "6+1" is an
autoregressive Transformer of 6 and 1 layers. `shortlist`: about 30 words for each
source word and 200 for all. `workers`: CTranslate2 with sentences side by side on its
threads instead of parts of products. Systems were called in turn, round by round;
ratios are medians over rounds."""


def report(rows: Sequence[EngineRow]) -> str:
    """Writes the whole report."""
    parts = ["# Engines and models, one beside the other", INTRODUCTION]
    parts += [conditions(rows)]
    for size in sizes_of(rows):
        own = [row for row in rows if row["size"] == size]
        parts += [f"## {size}: {sizes_in_words(size)}", *section(own)]
    return "\n\n".join(part for part in parts if part)


def section(rows: Sequence[EngineRow]) -> Iterable[str]:
    """Yields what is said of one size."""
    yield who_wins(rows)
    for threads, batch in sorted({(r["threads"], r["batch_size"]) for r in rows}):
        own = [r for r in rows if (r["threads"], r["batch_size"]) == (threads, batch)]
        yield f"Batch {batch}, {plural(threads, 'thread')}, ms a call, median (p90):"
        yield times_table(own)
    longest = max(row["words"] for row in rows)
    shown = {SIZES[rows[0]["size"]].words, longest}
    staged = [row for row in rows if row.get("stages") and row["words"] in shown]
    if staged:
        yield stages_in_words(staged)
        yield stages_table(staged)


def plural(count: int, what: str) -> str:
    """Writes a number of things."""
    return f"{count} {what}{'s' * (count != 1)}"


def sizes_of(rows: Iterable[EngineRow]) -> list[str]:
    """Returns the sizes that there are rows of, the smallest first."""
    known = {row["size"] for row in rows}
    return [size for size in SIZES if size in known]


def sizes_in_words(name: str) -> str:
    """Says how large the models of a size are."""
    size = SIZES[name]
    return (
        f"width {size.width}, feed-forward {size.ffn}, {size.vocabulary:,} words, "
        f"{size.layers} layers a stage"
    )


def conditions(rows: Sequence[EngineRow]) -> str:
    """Says on what machine, in what state and with what versions."""

    def shared(*names: str) -> str:
        return distinct(at(row, *names) for row in rows)

    load = [row["calibration"]["load"] for row in rows]
    products = [row["calibration"]["products_ms"] for row in rows]
    return (
        f"On {shared('processor')}, the engine with {shared('instruction_set')}. The "
        f"machine's load was {min(load):.1f} to {max(load):.1f}, and fixed products "
        f"took {min(products):.2f} to {max(products):.2f} ms meanwhile. "
        f"{packages(rows)}; commit {shared('commit')}."
    )


# ---------------------------------------------------------------------------- the times


def times_table(rows: Sequence[EngineRow]) -> str:
    """Returns the table of systems by words of one batch size."""
    rows = sorted(rows, key=lambda row: row["words"])
    names = list(dict.fromkeys(name for row in rows for name in row["systems"]))

    def cell(row: EngineRow) -> Callable[[str], str]:
        return lambda name: time_in_words(row["systems"].get(name))

    columns: list[Column[str]] = [("system", str)]
    columns += [(plural(row["words"], "word"), cell(row)) for row in rows]
    return markdown(columns, names)


def time_in_words(one: System | None) -> str:
    """Writes median and 90th percentile."""
    if one is None:
        return number(None)
    return f"{figure(one['ms']['median'])} ({figure(one['ms']['p90'])})"


def figure(value: float) -> str:
    """Writes a time with three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


# ----------------------------------------------------------------------- who wins where


def fastest(row: EngineRow, wanted: Callable[[System], bool]) -> System | None:
    """Returns the fastest of some systems in a row."""
    own = [one for one in row["systems"].values() if wanted(one)]
    return min(own, key=lambda one: one["ms"]["median"], default=None)


def family(
    engine: str, *, latent: bool, shortlist: bool, deep: bool | None = None
) -> Callable[[System], bool]:
    """Tells systems of one engine: latent or not, with a shortlist or without.

    Args:
        engine: that they run on.
        latent: whether they have codes.
        shortlist: whether they look at some words alone.
        deep: of latent ones, whether most of their layers are the encoder's; None:
            either.
    """

    def belongs(one: System) -> bool:
        model = one["model"]
        kind = (is_latent(model), bool(one["shortlist"]))
        same = deep is None or deep == ("+" in model)
        return one["engine"] == engine and kind == (latent, shortlist) and same

    return belongs


def who_wins(rows: Sequence[EngineRow]) -> str:
    """Writes the paragraph on who is faster where, from the rows alone."""
    sentences = []
    for threads, batch in sorted({(r["threads"], r["batch_size"]) for r in rows}):
        own = [r for r in rows if (r["threads"], r["batch_size"]) == (threads, batch)]
        own = sorted(own, key=lambda row: row["words"])
        for shortlist in (False, True):
            told = duels(own, shortlist=shortlist)
            if told:
                where = f"Batch {batch}, {plural(threads, 'thread')}"
                words = "with shortlists" if shortlist else "whole vocabulary"
                sentences.append(f"- **{where}, {words}**: {'; '.join(told)}.")
    return "\n".join(sentences + growths(rows))


def duels(rows: Sequence[EngineRow], *, shortlist: bool) -> list[str]:
    """Says who is how fast beside whom, with shortlists everywhere or nowhere."""
    latent = family("vq-nat", latent=True, shortlist=shortlist)
    even, deep = (
        family("vq-nat", latent=True, shortlist=shortlist, deep=deep)
        for deep in (False, True)
    )
    same = family("vq-nat", latent=False, shortlist=shortlist)
    foreign = family("CTranslate2", latent=False, shortlist=shortlist)
    told = [
        duel(rows, latent, foreign, "our fastest model is {} as CTranslate2's fastest"),
        duel(
            rows,
            latent,
            same,
            "{} as the fastest autoregressive model in the same engine",
        ),
        duel(rows, same, foreign, "which is {} as CTranslate2's"),
    ]
    if any(deep(one) for row in rows for one in row["systems"].values()):
        told += [
            duel(rows, deep, foreign, "with a deep encoder {} as CTranslate2's"),
            duel(rows, deep, same, "and {} as that autoregressive model"),
            duel(rows, even, foreign, "with even layers {} as CTranslate2's"),
        ]
    return [one for one in told if one]


def duel(
    rows: Sequence[EngineRow],
    ours: Callable[[System], bool],
    theirs: Callable[[System], bool],
    sentence: str,
) -> str:
    """Says in a sentence how many times as fast some systems are, at every length."""
    pairs = [(row["words"], fastest(row, ours), fastest(row, theirs)) for row in rows]
    ratios = [
        (words, times_as_fast(other, own))
        for words, own, other in pairs
        if own is not None and other is not None
    ]
    if not ratios:
        return ""
    figures = ", ".join(f"{ratio:.2f}" for _, ratio in ratios)
    lengths = ", ".join(str(words) for words, _ in ratios)
    return sentence.format(f"{figures} times as fast (at {lengths} words)")


def growths(rows: Sequence[EngineRow]) -> list[str]:
    """Says by how much times grow from the shortest to the longest sentence."""
    alone = [r for r in rows if (r["threads"], r["batch_size"]) == (1, 1)]
    if len(alone) < 2:
        return []
    first = min(alone, key=lambda row: row["words"])
    last = max(alone, key=lambda row: row["words"])
    told = []
    ours = family("vq-nat", latent=True, shortlist=False)
    theirs = family("CTranslate2", latent=False, shortlist=False)
    for label, wanted in (("ours", ours), ("CTranslate2", theirs)):
        short, long = fastest(first, wanted), fastest(last, wanted)
        if short is not None and long is not None:
            ratio = long["ms"]["median"] / short["ms"]["median"]
            told.append(f"{ratio:.1f} times for {label}")
    lengths = f"from {first['words']} to {last['words']} words"
    return [f"- Time {lengths}, batch 1: {' and '.join(told)}."] if told else []


# ---------------------------------------------------------------------------- the limit


class StageLine(NamedTuple):
    """A line of the table of stages."""

    row: EngineRow
    model: str
    stage: Stage

    @property
    def lost_ms(self) -> float:
        """Time beyond the limit."""
        return self.stage["ms"] - self.stage["limit_ms"]


def stages_table(rows: Sequence[EngineRow]) -> str:
    """Returns the table of stages: time, limit, and how far they are apart."""
    columns: list[Column[StageLine]] = [
        ("model", lambda line: line.model),
        ("batch", lambda line: str(line.row["batch_size"])),
        ("words", lambda line: str(line.row["words"])),
        ("stage", lambda line: line.stage["stage"]),
        ("ms", lambda line: figure(line.stage["ms"])),
        ("limit, ms", lambda line: figure(line.stage["limit_ms"])),
        ("of the limit", lambda line: distance(line.stage)),
    ]
    return markdown(columns, stage_lines(rows))


def stage_lines(rows: Sequence[EngineRow]) -> Iterable[StageLine]:
    """Yields a line for each stage that takes time."""
    for row in sorted(rows, key=lambda row: (row["batch_size"], row["words"])):
        for model, stages in row.get("stages", {}).items():
            for stage in stages:
                if stage["ms"] > 0:
                    yield StageLine(row, model, stage)


def distance(one: Stage) -> str:
    """Writes how many times its limit a stage takes."""
    if not one["limit_ms"]:
        return number(None)
    return f"{one['ms'] / one['limit_ms']:.1f}×"


def stages_in_words(rows: Sequence[EngineRow]) -> str:
    """Says what the limit is, and how far the stages are from it."""
    reading = sorted(row["speeds"]["gb_per_s"] for row in rows)
    peak = sorted(row["speeds"]["gop_per_s"] for row in rows)
    lines = [line for line in stage_lines(rows) if line.stage["limit_ms"]]
    ratios = sorted(line.stage["ms"] / line.stage["limit_ms"] for line in lines)
    worst = max(lines, key=lambda line: line.lost_ms)
    return (
        "Stages in int8 on one thread. The limit of a product is the longer of reading "
        f"its weights once ({reading[0]:.0f} to {reading[-1]:.0f} GB/s, measured with "
        f"one row) and multiplying at the measured peak ({peak[0]:.0f} to "
        f"{peak[-1]:.0f} Gop/s); the rest is attention, norms, quantising, embeddings "
        f"and what is around the products. Stages take {ratios[0]:.1f} to "
        f"{ratios[-1]:.1f} times their limit; most time is lost in "
        f"`{worst.stage['stage']}` of {worst.model} at {worst.row['words']} words, "
        f"batch {worst.row['batch_size']} ({figure(worst.stage['ms'])} ms, limit "
        f"{figure(worst.stage['limit_ms'])})."
    )


# ----------------------------------------------------------------------------- the plot


def draw(rows: Sequence[EngineRow], path: Path) -> bool:
    """Draws time against length at batch 1 on one thread; False without two lengths.

    A colour is a model, a kind of line an engine, and a thin line a beam of 4. All are
    in int8 with the whole vocabulary; the tables have the others as well.
    """
    alone = [r for r in rows if (r["threads"], r["batch_size"]) == (1, 1)]
    sizes = [s for s in sizes_of(alone) if sum(r["size"] == s for r in alone) > 1]
    if not sizes:
        return False
    plots = pyplot()
    figure_, axes = plots.subplots(
        1, len(sizes), figsize=(7 * len(sizes), 7.5), squeeze=False
    )
    for place, size in zip(axes[0], sizes):
        own = sorted((r for r in alone if r["size"] == size), key=lambda r: r["words"])
        draw_size(place, own)
        place.set_title(f"{size}: {sizes_in_words(size)}", fontsize=9)
    figure_.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure_.savefig(path, dpi=110)
    plots.close(figure_)
    return True


STYLES = {"vq-nat": "-", "CTranslate2": "--", "ONNX": ":", "PyTorch": "-."}


def draw_size(axes: Any, rows: Sequence[EngineRow]) -> None:
    """Draws the lines of one size, and names them below."""
    systems = {name: one for row in rows for name, one in row["systems"].items()}
    shown = {name: one for name, one in systems.items() if is_drawn(one)}
    models = list(dict.fromkeys(one["model"] for one in shown.values()))
    for name, one in shown.items():
        own = [(r["words"], r["systems"][name]) for r in rows if name in r["systems"]]
        axes.plot(
            [words for words, _ in own],
            [each["ms"]["median"] for _, each in own],
            STYLES[one["engine"]],
            color=f"C{models.index(one['model'])}",
            linewidth=0.8 if one["beam"] > 1 else 2,
            marker="o",
            markersize=4,
            label=name,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([row["words"] for row in rows], [str(r["words"]) for r in rows])
    plain_ticks(axes.yaxis)
    axes.set_xlabel("words")
    axes.set_ylabel("ms a sentence, batch 1, one thread")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.08))


def is_drawn(one: System) -> bool:
    """Tells what a plot has room for."""
    return one["number_format"] == "int8" and not (one["shortlist"] or one["workers"])
