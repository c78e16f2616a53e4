"""Owns a table's figures: the rows of all seeds of a line, their means and spreads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean
from typing import Any

from examples.lib.experiment import mean_and_range
from examples.paper_table.config import RowSpec
from examples.paper_table.plan import MISSING, STALE, TablePlan, state_of, units_of
from vq_nat.results.rows import read_json
from vq_nat.results.tables import NOTHING, at

Row = Mapping[str, Any]
MACHINE = ("device", "processor", "threads")
CLEARLY = 1.05  # times as fast; less may be chance


@dataclass(frozen=True)
class Speed:
    """One clock of a line: how fast, in batches of which size."""

    sentences_per_s: float
    batch_size: int


@dataclass(frozen=True)
class Entry:
    """One line of the table, with a row for each seed that is finished."""

    spec: RowSpec
    rows: Sequence[Row]
    stale: bool = False  # a row is of another configuration
    ours: bool = False  # a vector-quantised model of ours

    @property
    def name(self) -> str:
        """Of the row in the configuration."""
        return self.spec.name

    @property
    def label(self) -> str:
        """For readers, with a sign if its rows are of old."""
        return f"{self.spec.label}{' †' if self.stale else ''}"

    @property
    def quoted(self) -> str:
        """For a running text: labels have commas of their own."""
        return f"“{self.label}”"

    def values(self, *names: str) -> list[float]:
        """Returns a figure of each seed, where it is known."""
        found = [at(dict(row), *names) for row in self.rows]
        return [float(value) for value in found if value is not None]

    def mean(self, *names: str) -> float | None:
        """Returns the mean over seeds, None if it is not known."""
        found = self.values(*names)
        return mean(found) if found else None

    @cached_property
    def bleu(self) -> float:
        """On the main test set."""
        return mean(self.values("bleu"))

    @property
    def timed(self) -> Row:
        """The row whose times count: of the first seed that is there.

        A seed changes what a model writes, not how fast. Seeds may have been measured
        on different days, and a mean over days is of none of them.
        """
        return self.rows[0]

    @property
    def latency(self) -> float:
        """Milliseconds per sentence, one sentence at a time."""
        return float(self.timed["latency_ms"]["median"])

    @cached_property
    def best_speed(self) -> Speed:
        """At the batch size that is fastest, on as many threads as batch 1 has."""
        batch_size, rate = max(rates(self.timed), key=lambda known: known[1])
        return Speed(rate, batch_size)

    @property
    def machine(self) -> tuple[Any, ...]:
        """What times must have in common to be compared."""
        return tuple(self.timed.get(name) for name in MACHINE)


def rates(row: Row) -> Iterable[tuple[int, float]]:
    """Yields batch size and sentences/s of each clock of its device and threads.

    A row without clocks knows the whole test set only, which is cut into batches by
    length, and so is faster.
    """
    here = row.get("device"), row.get("threads")
    clocks = [
        (clock["batch_size"], clock["sentences_per_s"])
        for clock in row.get("clocks") or ()
        if (clock["device"], clock["threads"]) == here
    ]
    throughput = row["throughput"]
    return clocks or [(throughput["batch_size"], throughput["sentences_per_s"])]


def read_entries(plan: TablePlan) -> list[Entry]:
    """Reads the rows of every line that has some, group by group as in the table."""
    entries = []
    every_seed = replace(plan, seeds=())
    for name, spec in plan.table.rows.items():
        units = units_of(every_seed, (name,))
        known = [unit for unit in units if state_of(plan, unit) != MISSING]
        if known:
            rows = [read_json(plan.row_path(unit)) for unit in known]
            stale = any(state_of(plan, unit) == STALE for unit in known)
            ours = plan.table.model_of(spec).is_quantised
            entries.append(Entry(spec, rows, stale, ours))
    groups = plan.table.groups
    return sorted(entries, key=lambda entry: groups.index(entry.spec.group))


def by_latency(entry: Entry) -> float:
    """Returns milliseconds per sentence, one at a time: to sort or to draw by."""
    return entry.latency


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Returns the lines by their names."""
    return {entry.name: entry for entry in entries}


def speed_up(base: Entry | None, entry: Entry) -> float | None:
    """Returns how many times as fast as a line another is, on the same machine only."""
    if base is None or not same_machine(base, entry):
        return None
    return base.latency / entry.latency


def same_machine(one: Entry, other: Entry) -> bool:
    """Tells whether the times of two lines can be compared."""
    return one.machine == other.machine


def with_spread(values: Sequence[float], write: Callable[[float], str]) -> str:
    """Writes the mean and, of several values, their range."""
    return mean_and_range(list(values), write) if values else NOTHING


def pareto_front(
    entries: Sequence[Entry], cost: Callable[[Entry], float]
) -> list[Entry]:
    """Returns the lines that no other beats in both BLEU and cost, cheapest first."""
    front: list[Entry] = []
    for entry in sorted(entries, key=lambda e: (cost(e), -e.bleu)):
        if not front or entry.bleu > front[-1].bleu:
            front.append(entry)
    return front


def seconds_at_best(entry: Entry) -> float:
    """Returns the seconds that a sentence takes at the best batch size."""
    return 1 / entry.best_speed.sentences_per_s
