"""Owns the lines of a table: a system each, with a row for each of its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean

from .rows import Row, at
from .speed import Timed, alike, times_as_fast

BEAM, GREEDY = "teacher-beam4", "teacher-greedy"  # what others are set beside
CTRANSLATE2 = "teacher-greedy-ctranslate2"
CLEARLY = 1.05  # times as fast; less may be chance
Cost = Callable[["Line"], float]  # what is better if it is less


@dataclass(frozen=True)
class Speed:
    """One clock of a line: how fast, in batches of which size."""

    sentences_per_s: float
    batch_size: int


@dataclass(frozen=True)
class Line:
    """One system of a table.

    Attributes:
        name: of the system, in a configuration or in its rows.
        title: for readers.
        rows: one for each seed that is finished.
        group: which lines stand together.
        model: of the system; lines may share it.
        note: for readers, behind the title.
        paper: figures that a paper gives.
        ours: whether it is one of those that are asked about.
        is_timed: whether its times mean anything: not with codes of the reference.
        is_system: whether it is compared with others.
        is_stale: whether a row is of another configuration.
        differs: in what its rows are not like those of the table.
    """

    name: str
    title: str
    rows: Sequence[Row]
    group: str = ""
    model: str = ""
    note: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    ours: bool = False
    is_timed: bool = True
    is_system: bool = True
    is_stale: bool = False
    differs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The title, with a sign if the rows are of old, or of code that changed."""
        changed = any(str(row.get("commit")).endswith("-dirty") for row in self.rows)
        return f"{self.title}{' †' * self.is_stale}{' ‡' * changed}"

    @property
    def quoted(self) -> str:
        """For a running text: labels have commas of their own."""
        return f"“{self.label}”"

    def values(self, *names: str) -> list[float]:
        """Returns a figure of each seed, where it is known."""
        figures = [at(row, *names) for row in self.rows]
        return [float(figure) for figure in figures if figure is not None]

    def mean(self, *names: str) -> float | None:
        """Returns the mean over seeds, None if it is not known."""
        values = self.values(*names)
        return mean(values) if values else None

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


def by_name(lines: Iterable[Line]) -> dict[str, Line]:
    """Returns the lines by their names."""
    return {line.name: line for line in lines}


# -------------------------------------------------------------------------- comparisons


def by_latency(line: Line) -> float:
    """Returns milliseconds per sentence, one at a time: to sort or to draw by."""
    return line.latency


def by_best_batch(line: Line) -> float:
    """Returns milliseconds per sentence, in batches of the best size."""
    return 1000 / line.best_speed.sentences_per_s


def speed_up(base: Line | None, line: Line) -> float | None:
    """Returns how many times as fast as a line another is, if their times compare."""
    return None if base is None else times_as_fast(base.timed, line.timed)


def comparable(lines: Iterable[Line]) -> list[Line]:
    """Returns the systems whose times all compare: most of them, with the baseline.

    Without the baseline's machine in any state the largest such group counts. Where
    more are left out than compare there are none: the best of few may be the worst of
    all.
    """
    systems = [line for line in lines if line.is_system]
    base = by_name(systems).get(BEAM)
    near = [o for o in systems if base is None or speed_up(base, o) is not None]
    timed: list[Timed] = [line.timed for line in near]
    known = [near[place] for place in alike(timed)]
    return known if 2 * len(known) >= len(systems) else []


def pareto_front(lines: Iterable[Line], cost: Cost) -> list[Line]:
    """Returns the lines that no other beats in both BLEU and cost, cheapest first."""
    front: list[Line] = []
    for line in sorted(lines, key=lambda one: (cost(one), -one.bleu)):
        if not front or line.bleu > front[-1].bleu:
            front.append(line)
    return front
