"""Owns the tables of the report, whose columns report.yaml lists.

A column's cells are named (`CELLS`), or are a figure of the rows and how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from data_prep.lib.options import read_yaml
from examples.paper_table.entries import Entry, speed_up, with_spread
from vq_nat.results.clocks import clock_cell, clock_names, has_clock
from vq_nat.results.rows import at
from vq_nat.results.tables import (
    NOTHING,
    Column,
    markdown,
    number,
    percent,
    text_or_nothing,
    words_per_code,
)

SAYS = read_yaml(Path(__file__).with_name("report.yaml"))
HOST = (
    "host: what is in no other column; where `rescore` and `recode` are not known, the "
    "teacher's scoring of candidates and the new codes of refinement, too. engine: all "
    "of CTranslate2's own work. steps: of the codes, or of the words of a model that "
    "writes one after the other."
)
COUNTS = ("steps",)  # among the stages, and no times
Write = Callable[[Entry], str]


# --------------------------------------------------------------------------- the tables


def main_table(entries: Sequence[Entry], base: Entry | None) -> str:
    """Returns quality and time, ours and the paper's side by side."""
    columns = [*columns_of("quality", entries), *columns_of("times", entries, base)]
    return markdown(columns, entries)


def quality_table(entries: Sequence[Entry]) -> str:
    """Returns quality alone."""
    return markdown([*columns_of("quality", entries)], entries) if entries else ""


def differing_table(entries: Sequence[Entry]) -> str:
    """Returns the lines that were made with something else, and with what."""
    columns: list[Column[Entry]] = [("other", lambda e: ", ".join(e.differs))]
    columns += [*columns_of("quality", entries)][:-1]  # they compare with nothing
    columns.append(("ms/sentence (p90)", latency))
    return markdown(columns, entries) if entries else ""


def table_of(
    name: str, entries: Sequence[Entry], *figure: str, once: bool = False
) -> str:
    """Returns a table of report.yaml, of the lines that have a figure; empty of none.

    Args:
        name: of the table.
        entries: all lines.
        figure: where a row has it.
        once: only the first line of each model.
    """
    known = [entry for entry in entries if entry.values(*figure)]
    if once:
        models = [entry.spec.model for entry in known]
        known = [e for n, e in enumerate(known) if models.index(models[n]) == n]
    return markdown([*columns_of(name, known)], known) if known else ""


def clocks_table(entries: Sequence[Entry], figure: str = "sentences_per_s") -> str:
    """Returns a rate at all batch sizes and threads, empty if not measured."""
    known = [e for e in entries if e.is_timed and has_clock(e.timed, figure)]
    heads = clock_names([entry.timed for entry in known])

    def rate(name: str) -> Write:
        return lambda entry: clock_cell(entry.timed, name, figure)

    columns = [("system", label), *((head, rate(head)) for head in heads)]
    return markdown(columns, known) if heads else ""


def stages_table(entries: Sequence[Entry]) -> str:
    """Returns the milliseconds of each stage at batch 1, empty if not measured."""
    known = [entry for entry in entries if entry.timed.get("stages_ms")]
    names = dict.fromkeys(n for e in known for n in at(e.timed, "stages_ms"))

    def stage(name: str) -> Column[Entry]:
        digits, head = (0, f"number of {name}") if name in COUNTS else (2, name)
        head = "one step" if name == "per_step" else head
        return head, lambda entry: number(at(entry.timed, "stages_ms", name), digits)

    columns = [stage(name) for name in sorted(names, key=COUNTS.count)]  # counts last
    table = markdown([("ms/sentence at batch 1", label), *columns], known)
    return f"{table}\n\n{HOST}" if known else ""


# -------------------------------------------------------------------------- the columns


def columns_of(
    name: str, entries: Sequence[Entry], base: Entry | None = None
) -> Iterator[Column[Entry]]:
    """Yields the columns of a table of report.yaml.

    Args:
        name: of the table.
        entries: its lines.
        base: what they are compared with in time.
    """
    for head, what in SAYS["tables"][name].items():
        if what == "other_test_sets":
            yield from other_test_sets(entries)
            continue
        write = cell_of(what, base)
        if not head.endswith("?") or any(write(entry) != NOTHING for entry in entries):
            yield head.removesuffix("?"), write


def cell_of(what: str, base: Entry | None) -> Write:
    """Returns what writes the cells of a column."""
    if what == "speed_up":
        return lambda e: times(speed_up(base, e) if e.is_timed else None)
    if what in CELLS:
        return CELLS[what]
    path, how = what.split()
    return partial(FIGURES[how], names=path.split("."))


def other_test_sets(entries: Sequence[Entry]) -> Iterator[Column[Entry]]:
    """Yields a column for each test set besides the main one."""
    known = (row.get("other_test_sets") or {} for e in entries for row in e.rows)
    for name in dict.fromkeys(name for sets in known for name in sets):
        names = ["other_test_sets", name, "bleu"]
        yield f"BLEU {name}", partial(FIGURES["spread"], names=names)


# ---------------------------------------------------------------------------- the cells


def one_digit(value: float) -> str:
    """Writes a score."""
    return f"{value:.1f}"


def mean_as(write: Callable[[float | None], str]) -> Callable[..., str]:
    """Returns what writes the mean of a figure over seeds, which may be missing."""
    return lambda entry, names: write(entry.mean(*names))


FIGURES: dict[str, Callable[..., str]] = {  # how a figure is written
    "mean": mean_as(number),
    "mean2": mean_as(partial(number, digits=2)),
    "percent": mean_as(percent),
    "percent2": mean_as(partial(percent, digits=2)),
    "spread": lambda entry, names: with_spread(entry.values(*names), one_digit),
    "text": lambda entry, names: text_or_nothing(at(entry.rows[0], *names)),
}


def label(entry: Entry) -> str:
    """Writes a line's name and its note."""
    return entry.label + (f" ({entry.spec.note})" if entry.spec.note else "")


def against_greedy(entry: Entry) -> str:
    """Writes the difference to the teacher's greedy output and the largest p-value."""
    gaps = entry.values("against_greedy", "bleu")
    if not gaps:
        return NOTHING
    largest = max(entry.values("against_greedy", "bleu_p"))
    return f"{signed(sum(gaps) / len(gaps))} ({p_value(largest)})"


def signed(gap: float) -> str:
    """Writes a difference of scores; nothing has no sign."""
    return f"{gap:+.1f}" if round(gap, 1) else "0.0"


def p_value(p: float) -> str:
    """Writes a p-value; of 1,000 resamples, 0.001 is the smallest there is."""
    return "p ≤ 0.001" if p < 0.0015 else f"p = {p:.3f}"


def times(ratio: float | None) -> str:
    """Writes a speed-up."""
    return NOTHING if ratio is None else f"{ratio:.2f}×"


def latency(entry: Entry) -> str:
    """Writes median and 90th percentile."""
    if not entry.is_timed:
        return NOTHING
    return f"{entry.latency:.1f} ({number(entry.timed['latency_ms']['p90'])})"


def calibration(entry: Entry) -> str:
    """Writes how long the machine took for small operators, at the time."""
    known = at(entry.timed, "calibration", "operators_ms")
    return number(known) if entry.is_timed else NOTHING


def throughput(entry: Entry) -> str:
    """Writes the rate at the best batch size."""
    if not entry.is_timed:
        return NOTHING
    best = entry.best_speed
    return f"{best.sentences_per_s:.0f} ({best.batch_size})"


def trained_on(entry: Entry) -> str:
    """Writes the processors of the trainings, those of the seeds apart."""
    names = [
        (row["train_gpu"] or "CPU") if "train_gpu" in row else NOTHING
        for row in entry.rows
    ]
    return ", ".join(dict.fromkeys(names))


def parameters(entry: Entry) -> str:
    """Writes the number of parameters."""
    count = entry.mean("parameters")
    return NOTHING if count is None else f"{count / 1e6:.2f} M"


CELLS: dict[str, Write] = {
    "label": label,
    "name": lambda e: f"`{e.name}`",
    "paper.bleu": lambda e: number(e.spec.paper.get("bleu")),
    "paper.speedup": lambda e: times(e.spec.paper.get("speedup")),
    "against_greedy": against_greedy,
    "latency": latency,
    "calibration": calibration,
    "throughput": throughput,
    "words_per_code": lambda e: text_or_nothing(words_per_code(e.rows[0])),
    "model": lambda e: e.spec.model,
    "parameters": parameters,
    "minutes": lambda e: with_spread(
        [seconds / 60 for seconds in e.values("train_seconds")], one_digit
    ),
    "trained_on": trained_on,
    "seeds": lambda e: ", ".join(str(row.get("seed")) for row in e.rows),
}
