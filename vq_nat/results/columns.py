"""Owns tables of lines, whose columns are declared: a head, and what stands below it.

What stands below is a cell that is known by name (`CELLS`, or the table's own), or a
figure of the rows and how it is written (`FIGURES`), as in "validation.bleu mean". A
head with `?` needs a line that has the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from .clocks import clock_cell, clock_names, has_clock
from .gaps import told
from .lines import Line
from .rows import Row, at
from .tables import (
    NOTHING,
    Column,
    markdown,
    mean_and_range,
    median_and_p90,
    number,
    percent,
    text_or_nothing,
)

Write = Callable[[Line], str]
HOST = (
    "host: what is in no other column; where `rescore` and `recode` are not known, the "
    "teacher's scoring of candidates and the new codes of refinement, too. engine: all "
    "of CTranslate2's own work. steps: of the codes, or of the words of a model that "
    "writes one after the other."
)
COUNTS = ("steps",)  # among the stages, and no times
OTHERS = "other_test_sets"


def table_of(declared: Mapping[str, str], lines: Sequence[Line], **own: Write) -> str:
    """Returns a table; empty without lines.

    Args:
        declared: its columns.
        lines: in their order.
        own: cells besides those that are known.
    """
    return markdown(list(columns_of(declared, lines, own)), lines) if lines else ""


def columns_of(
    declared: Mapping[str, str], lines: Sequence[Line], own: Mapping[str, Write]
) -> Iterator[Column[Line]]:
    """Yields the columns that a table of some lines has."""
    for head, what in declared.items():
        if what == "other_test_sets":
            yield from other_test_sets(lines)
            continue
        write = cell_of(what, own)
        if not head.endswith("?") or any(write(line) != NOTHING for line in lines):
            yield head.removesuffix("?"), write


def cell_of(what: str, own: Mapping[str, Write]) -> Write:
    """Returns what writes the cells of a column."""
    known = {**CELLS, **own}
    if what in known:
        return known[what]
    path, how = what.split()
    return partial(FIGURES[how], names=path.split("."))


def other_test_sets(lines: Sequence[Line]) -> Iterator[Column[Line]]:
    """Yields a column for each test set besides the main one."""
    rows = [row for line in lines for row in line.rows]
    for name in dict.fromkeys(n for row in rows for n in at(row, OTHERS) or ()):
        yield f"BLEU {name}", partial(FIGURES["spread"], names=[OTHERS, name, "bleu"])


def clocks_table(lines: Sequence[Line], figure: str = "sentences_per_s") -> str:
    """Returns a rate at all batch sizes and threads, empty if not measured."""
    known = [line for line in lines if line.is_timed and has_clock(line.timed, figure)]
    heads = clock_names([line.timed for line in known])

    def rate(name: str) -> Write:
        return lambda line: clock_cell(line.timed, name, figure)

    columns = [("system", label), *((head, rate(head)) for head in heads)]
    return markdown(columns, known) if heads else ""


def stages_table(lines: Sequence[Line]) -> str:
    """Returns the milliseconds of each stage at batch 1, empty if not measured."""
    known = [line for line in lines if line.timed.get("stages_ms")]
    names = dict.fromkeys(n for o in known for n in at(o.timed, "stages_ms"))

    def stage(name: str) -> Column[Line]:
        digits, head = (0, f"number of {name}") if name in COUNTS else (2, name)
        head = "one step" if name == "per_step" else head
        return head, lambda line: number(at(line.timed, "stages_ms", name), digits)

    columns = [stage(name) for name in sorted(names, key=COUNTS.count)]  # counts last
    table = markdown([("ms/sentence at batch 1", label), *columns], known)
    return f"{table}\n\n{HOST}" if known else ""


# ---------------------------------------------------------------------------- the cells


def mean_as(write: Callable[[float | None], str]) -> Callable[..., str]:
    """Returns what writes the mean of a figure over seeds, which may be missing."""
    return lambda line, names: write(line.mean(*names))


def gap(line: Line, names: Sequence[str]) -> str:
    """Writes the difference to other outputs, with the largest p-value of a seed."""
    known = told(line, *names)
    return NOTHING if known is None else str(known)


def millions(line: Line, names: Sequence[str]) -> str:
    """Writes a large number."""
    count = line.mean(*names)
    return NOTHING if count is None else f"{count / 1e6:.2f} M"


def timed(line: Line, names: Sequence[str]) -> str:
    """Writes a figure of the row whose times count."""
    return number(at(line.timed, *names)) if line.is_timed else NOTHING


def minutes(line: Line, names: Sequence[str]) -> str:
    """Writes seconds, of each seed, as minutes."""
    return mean_and_range([seconds / 60 for seconds in line.values(*names)])


FIGURES: dict[str, Callable[..., str]] = {  # how a figure is written
    "mean": mean_as(number),
    "mean0": mean_as(partial(number, digits=0)),
    "mean2": mean_as(partial(number, digits=2)),
    "percent": mean_as(percent),
    "percent2": mean_as(partial(percent, digits=2)),
    "spread": lambda line, names: mean_and_range(line.values(*names)),
    "text": lambda line, names: text_or_nothing(at(line.rows[0], *names)),
    "list": lambda line, names: ", ".join(str(at(row, *names)) for row in line.rows),
    "gap": gap,
    "millions": millions,
    "minutes": minutes,
    "timed": timed,
}


def label(line: Line) -> str:
    """Writes a line's name and its note."""
    return line.label + (f" ({line.note})" if line.note else "")


def latency(line: Line) -> str:
    """Writes median and 90th percentile."""
    return median_and_p90(line.timed["latency_ms"]) if line.is_timed else NOTHING


def throughput(line: Line) -> str:
    """Writes the rate at the best batch size."""
    if not line.is_timed:
        return NOTHING
    best = line.best_speed
    return f"{best.sentences_per_s:.0f} ({best.batch_size})"


def words_per_code(row: Row) -> int | None:
    """Returns how many words a code stands for; None without codes."""
    halvings = row.get("n_c")
    return row.get("words_per_code") if halvings is None else 2**halvings


def trained_on(line: Line) -> str:
    """Writes the processors of the trainings, those of the seeds apart."""
    names = [
        (row["train_gpu"] or "CPU") if "train_gpu" in row else NOTHING
        for row in line.rows
    ]
    return ", ".join(dict.fromkeys(names))


CELLS: dict[str, Write] = {
    "label": label,
    "title": lambda line: line.title,
    "name": lambda line: f"`{line.name}`",
    "model": lambda line: line.model,
    "differs": lambda line: ", ".join(line.differs),
    "latency": latency,
    "throughput": throughput,
    "words_per_code": lambda line: text_or_nothing(words_per_code(line.rows[0])),
    "trained_on": trained_on,
}
