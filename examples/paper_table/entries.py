"""Owns a table's figures: the rows of all seeds of a line, their means and spreads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

from data_prep.lib.steps import MISSING, STALE
from examples.lib.experiment import mean_and_range
from examples.paper_table.config import TEACHER, RowSpec
from examples.paper_table.plan import (
    TablePlan,
    Unit,
    needs_teacher,
    state_of,
    units_of,
)
from examples.paper_table.rows import TableRow
from vq_nat.results.rows import at
from vq_nat.results.speed import alike, times_as_fast
from vq_nat.results.tables import NOTHING
from vq_nat.results.writing import json_or_none

CLEARLY = 1.05  # times as fast; less may be chance
BEAM, GREEDY = "teacher-beam4", "teacher-greedy"
NEED_REFERENCES = ("true_codes", "true_latents")  # no systems: they know the answer


@dataclass(frozen=True)
class Speed:
    """One clock of a line: how fast, in batches of which size."""

    sentences_per_s: float
    batch_size: int


@dataclass(frozen=True)
class Entry:
    """One line of the table, with a row for each seed that is finished."""

    spec: RowSpec
    rows: Sequence[TableRow]
    stale: bool = False  # a row is of another configuration
    ours: bool = False  # a latent model with codes learned by EM, or words as codes
    differs: tuple[str, ...] = ()  # in what its rows are not like those of the table

    @property
    def name(self) -> str:
        """Of the row in the configuration."""
        return self.spec.name

    @property
    def label(self) -> str:
        """For readers, with a sign if its rows are of old, or of code that changed."""
        changed = any(str(row.get("commit")).endswith("-dirty") for row in self.rows)
        return f"{self.spec.label}{' †' * self.stale}{' ‡' * changed}"

    @property
    def quoted(self) -> str:
        """For a running text: labels have commas of their own."""
        return f"“{self.label}”"

    def values(self, *names: str) -> list[float]:
        """Returns a figure of each seed, where it is known."""
        found = [at(row, *names) for row in self.rows]
        return [float(value) for value in found if value is not None]

    def mean(self, *names: str) -> float | None:
        """Returns the mean over seeds, None if it is not known."""
        found = self.values(*names)
        return mean(found) if found else None

    @property
    def is_timed(self) -> bool:
        """Whether its times mean anything: not with codes of the reference."""
        return not any(self.spec.decoding.get(name) for name in NEED_REFERENCES)

    @property
    def is_system(self) -> bool:
        """Whether it needs no references, is no ablation, and made as the others."""
        return self.is_timed and self.spec.group != "ablations" and not self.differs

    @cached_property
    def bleu(self) -> float:
        """On the main test set."""
        return mean(self.values("bleu"))

    @property
    def timed(self) -> TableRow:
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


def rates(row: TableRow) -> Iterable[tuple[int, float]]:
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
    """Reads the rows of every line that has some, group by group as in the table.

    Rows that were made with another teacher, text or machine than those of the table
    are lines of their own, which say in what they differ.
    """
    every_seed, entries = replace(plan, seeds=()), []
    known = [
        (unit, row, state)
        for unit in units_of(every_seed, tuple(plan.table.rows))
        if (state := state_of(plan, unit)) != MISSING
        if (row := json_or_none(plan.row_path(unit)))
    ]
    made_from = [provenance(unit, row) for unit, row, _ in known]
    usual = usual_parts(made_from, [unit.row.name for unit, _, _ in known])
    for name, spec in plan.table.rows.items():
        of_line: dict[tuple[str, ...], list[tuple[TableRow, str]]] = {}
        for (unit, row, state), parts in zip(known, made_from, strict=True):
            if unit.row.name == name:
                differs = tuple(k for k, v in parts.items() if v != usual[k])
                of_line.setdefault(differs, []).append((row, state))
        ours = plan.table.model_of(spec).is_ours
        for differs, rows in of_line.items():
            stale = STALE in (state for _, state in rows)
            entries.append(Entry(spec, [row for row, _ in rows], stale, ours, differs))
    groups = plan.table.groups
    return sorted(entries, key=lambda entry: groups.index(entry.spec.group))


def provenance(unit: Unit, row: TableRow) -> dict[str, str]:
    """Returns what a row was made with and measured on, as far as it is known."""
    inputs, text = row.get("inputs") or {}, row.get("text")
    taught = needs_teacher(unit) or unit.job.model.name == TEACHER
    found = {
        "teacher": inputs.get("teacher") if taught else None,
        "human text": inputs.get("corpus"),
        f"{text} text": inputs.get("text"),
        f"processor ({row.get('device')})": row.get("processor"),
    }
    return {name: str(value) for name, value in found.items() if value}


def usual_parts(
    found: Sequence[Mapping[str, str]], names: Sequence[str]
) -> dict[str, str]:
    """Returns of each part what most rows have, and of the teacher the baseline's."""
    values: dict[str, list[str]] = {}
    for parts in found:
        for part, value in parts.items():
            values.setdefault(part, []).append(value)
    usual = {part: max(known, key=known.count) for part, known in values.items()}
    for parts, name in zip(found, names, strict=True):
        if name == BEAM and TEACHER in parts:
            usual[TEACHER] = parts[TEACHER]
    return usual


def comparable(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the systems whose times all compare: most of them, with the baseline.

    Without the baseline's machine in any state the largest such group counts.
    """
    systems = [entry for entry in entries if entry.is_system]
    base = [entry for entry in systems if entry.name == BEAM]
    near = [e for e in systems if not base or speed_up(base[0], e) is not None]
    return [near[place] for place in alike([entry.timed for entry in near])]


def by_latency(entry: Entry) -> float:
    """Returns milliseconds per sentence, one at a time: to sort or to draw by."""
    return entry.latency


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Returns the lines by their names."""
    return {entry.name: entry for entry in entries}


def speed_up(base: Entry | None, entry: Entry) -> float | None:
    """Returns how many times as fast as a line another is, if their times compare."""
    return None if base is None else times_as_fast(base.timed, entry.timed)


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
