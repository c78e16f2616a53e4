"""Owns what a run has to do: which rows, where, and what is finished or stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_prep.lib.steps import FINISHED, MISSING, STALE, UserError, compare, sha256
from data_prep.lib.steps import state_of as stamped
from examples.lib.places import Place, corpus_stamp
from examples.lib.trainings import recipe_of
from examples.lib.weights import weights_of
from examples.paper_table.config import (
    TEACHER,
    Model,
    RowSpec,
    Table,
    digest,
    row_config,
    training_config,
)
from examples.paper_table.starts import seed_of_start
from vq_nat.writing import json_or_none

KIND = "paper_table"  # of the rows, so that other tables leave them alone
OUTPUTS = {
    "best": "checkpoint_best.pt",
    "last": "checkpoint_last.pt",
    "average": "checkpoint_last.pt",  # what is averaged is not one file
}
AVERAGED = "averaged.pt"


@dataclass(frozen=True)
class TablePlan(Place):
    """What to make, where, and on what machine."""

    table: Table
    results: Path
    names: tuple[str, ...]  # of the rows to make
    seeds: tuple[int, ...] = ()  # none: all
    stale: bool = False  # make stale rows anew
    given: Mapping[str, Path] = field(default_factory=dict)  # made elsewhere

    @property
    def corpus(self) -> Path:
        """The prepared corpus."""
        return self.given.get("corpus", self.work / "corpus")

    @property
    def rows(self) -> Path:
        """Where the rows are kept."""
        return self.results / self.table.name

    def text(self, name: str) -> Path:
        """The corpus that a model is trained on."""
        if name == "human":
            return self.corpus
        return self.given.get(name, self.work / f"corpus-{name}")

    def folder(self, job: TrainingJob) -> Path:
        """Where a training keeps its checkpoints."""
        if job.model.name == TEACHER:
            return self.work / TEACHER
        return self.work / "models" / job.name

    def checkpoint(self, job: TrainingJob) -> Path:
        """What a training is for."""
        if job.model.name == TEACHER and TEACHER in self.given:
            return self.given[TEACHER]
        averaged = job.model.checkpoint == "average"
        return self.folder(job) / (AVERAGED if averaged else job.output)

    def configuration(self, job: TrainingJob) -> Path:
        """Where a training says of which configuration it is.

        Its stamp names its inputs, which are of an older one until they are made anew.
        """
        return self.stamp(f"{job.name}.configuration")

    @property
    def teacher(self) -> Path:
        """The teacher's checkpoint."""
        return self.checkpoint(TrainingJob(self.table.models[TEACHER], None))

    def row_path(self, unit: Unit) -> Path:
        """Where a row is kept."""
        return self.rows / f"{unit.name}.json"


@dataclass(frozen=True)
class TrainingJob:
    """One training."""

    model: Model
    seed: int | None  # None: the one among the flags

    @property
    def name(self) -> str:
        """Of its folder and its stamp."""
        return with_seed(self.model.name, self.seed)

    @property
    def flags(self) -> dict[str, Any]:
        """Flags of fairseq-train."""
        return self.model.flags_of(self.seed)

    @property
    def output(self) -> str:
        """The file that is there when it has ended."""
        return OUTPUTS[self.model.checkpoint]


@dataclass(frozen=True)
class Unit:
    """One row of one seed: what is trained, measured and kept as a file."""

    row: RowSpec
    job: TrainingJob
    hash: str  # of the configuration that it depends on

    @property
    def name(self) -> str:
        """Of its file."""
        return with_seed(self.row.name, self.job.seed)


def with_seed(name: str, seed: int | None) -> str:
    """Names one of several seeds."""
    return name if seed is None else f"{name}.seed{seed}"


# ----------------------------------------------------------------------------- choosing


def choose_rows(table: Table, names: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the rows of some names and groups, all by default.

    Raises:
        UserError: for a name that does not exist.
    """
    if not names:
        return tuple(table.rows)
    for name in names:
        if name not in table.rows and name not in table.groups:
            raise UserError(
                f"--rows must be names or groups ({', '.join(table.groups)}) of rows "
                f"of the table {table.name}, but one is `{name}` instead; its rows: "
                f"{', '.join(table.rows)}."
            )
    return tuple(
        row.name for row in table.rows.values() if {row.name, row.group} & set(names)
    )


def units_of(plan: TablePlan, names: Sequence[str] | None = None) -> list[Unit]:
    """Lists the rows to make, a seed of everything before the next seed of anything.

    Args:
        plan: says which seeds.
        names: of the rows; None = those of the plan.
    """
    chosen = plan.names if names is None else names
    rows = [plan.table.rows[name] for name in chosen]
    units = [unit for row in rows for unit in units_of_row(plan, row)]
    return sorted(units, key=rank_of_seed)


def every_unit(plan: TablePlan) -> list[Unit]:
    """Lists all rows of the table, of all seeds."""
    return units_of(replace(plan, seeds=()), tuple(plan.table.rows))


def rank_of_seed(unit: Unit) -> int:
    """Returns which of its row's seeds a unit has."""
    seeds = unit.job.model.seeds
    return seeds.index(unit.job.seed) if unit.job.seed in seeds else 0


def units_of_row(plan: TablePlan, row: RowSpec) -> Iterator[Unit]:
    """Yields a row for each seed that is wanted."""
    model = plan.table.model_of(row)
    seeds: Sequence[int | None] = (row.seeds or model.seeds) if model.seeds else [None]
    for seed in seeds:
        if seed is None or not plan.seeds or seed in plan.seeds:
            config = row_config(plan.table, row, seed)
            yield Unit(row, TrainingJob(model, seed), digest(config))


# -------------------------------------------------------------------------------- state


def state_of(plan: TablePlan, unit: Unit) -> str:
    """Tells whether a row is finished, of another configuration, or not there."""
    row = json_or_none(plan.row_path(unit))
    if not isinstance(row, dict):
        return MISSING
    wanted = {"config": unit.hash, **given_inputs(plan, unit)}
    inputs = row.get("inputs")
    named = inputs if isinstance(inputs, dict) else {}
    known = {"config": row.get("config"), **named}
    # Rows of old do not name all that they were made from.
    return compare({k: known.get(k, v) for k, v in wanted.items()}, wanted)


def given_inputs(plan: TablePlan, unit: Unit) -> dict[str, str]:
    """Returns the hashes of what a row is made from and was made elsewhere.

    What this folder's own runs make, the configuration answers for.
    """
    parts = {"corpus": "corpus", TEACHER: TEACHER, unit.job.model.text: "text"}
    names = {parts[part] for part in plan.given if part in parts}
    return {k: v for k, v in hash_inputs(plan, unit).items() if k in names}


def hash_inputs(plan: TablePlan, unit: Unit) -> dict[str, str]:
    """Returns the hashes of what a row is made from, as far as it is there."""
    judge, models = judge_of(plan, unit), {}
    texts = {
        "corpus": corpus_stamp(plan.corpus),
        "text": corpus_stamp(plan.text(unit.job.model.text)),
    }
    if unit.job.model.name == TEACHER or needs_teacher(unit):
        models[TEACHER] = plan.teacher
    if judge is not None and judge.model.name != TEACHER:
        models["judge"] = plan.checkpoint(judge)
    hashes = {name: sha256(path) for name, path in texts.items() if path.is_file()}
    weights = {name: weights_of(p) for name, p in models.items() if p.is_file()}
    return hashes | weights


def wanted(plan: TablePlan) -> list[Unit]:
    """Lists the rows that are to be made now."""
    states = {MISSING, STALE} if plan.stale else {MISSING}
    return [unit for unit in units_of(plan) if state_of(plan, unit) in states]


def is_trained(plan: TablePlan, job: TrainingJob) -> bool:
    """Tells whether a model of this very configuration is on disk."""
    if job.model.name == TEACHER and TEACHER in plan.given:
        return True
    text, teacher = plan.text(job.model.text), plan.teacher
    needed = [corpus_stamp(text), plan.checkpoint(job)]
    needed += [teacher] if job.model.starts_from_teacher else []
    start, begun = start_of(plan, job), begun_from(plan, job)
    if start is not None and not is_trained(plan, start):
        return False
    needed += [begun] if begun is not None else []
    if not all(path.is_file() for path in needed):
        return False
    if json_or_none(plan.configuration(job)) != digest_of(plan, job):
        return False
    recipe = recipe_of(job.flags, text, teacher, begun)
    output = plan.folder(job) / job.output
    return stamped(plan.stamp(job.name), recipe, output) == FINISHED


def digest_of(plan: TablePlan, job: TrainingJob) -> str:
    """Returns a hash of all of the configuration that a training depends on."""
    return digest(training_config(plan.table, job.model.name, job.seed))


def is_ready(plan: TablePlan, unit: Unit) -> bool:
    """Tells whether all that a row is measured with is on disk."""
    judge = judge_of(plan, unit)
    return is_trained(plan, unit.job) and (judge is None or is_trained(plan, judge))


def judge_of(plan: TablePlan, unit: Unit) -> TrainingJob | None:
    """Returns the training of what ranks a row's candidates or verifies its drafts."""
    name = unit.row.judge
    return None if name is None else TrainingJob(plan.table.models[name], None)


def start_of(plan: TablePlan, job: TrainingJob) -> TrainingJob | None:
    """Returns the training that one goes on from."""
    if job.model.start is None:
        return None
    seed = seed_of_start(plan.table, job.model, job.seed)
    return TrainingJob(plan.table.models[job.model.start], seed)


def begun_before(plan: TablePlan, job: TrainingJob) -> list[TrainingJob]:
    """Returns the trainings that one goes on from, each behind what it goes on from."""
    start = start_of(plan, job)
    return [] if start is None else [*begun_before(plan, start), start]


def begun_from(plan: TablePlan, job: TrainingJob) -> Path | None:
    """Returns the checkpoint that a training goes on from."""
    start = start_of(plan, job)
    return None if start is None else plan.checkpoint(start)


def jobs_of(plan: TablePlan, units: Sequence[Unit]) -> list[TrainingJob]:
    """Lists the trainings of some rows, each once, none before what it needs."""
    jobs = [job for unit in units for job in (*begun_before(plan, unit.job), unit.job)]
    for judge in (judge_of(plan, unit) for unit in units):
        jobs += [] if judge is None else [*begun_before(plan, judge), judge]
    taught = any(job.model.is_taught for job in jobs)
    if taught or any(needs_teacher(unit) for unit in units):
        jobs.insert(0, TrainingJob(plan.table.models[TEACHER], None))
    return list({job.name: job for job in jobs}.values())


def needs_teacher(unit: Unit) -> bool:
    """Tells whether a row depends on a trained teacher."""
    return unit.job.model.is_taught or unit.row.judge is not None


def texts_of(jobs: Sequence[TrainingJob]) -> list[str]:
    """Lists the texts that some trainings need besides the human one."""
    return list(dict.fromkeys(j.model.text for j in jobs if j.model.text != "human"))


def finished_rows(plan: TablePlan) -> dict[str, dict[str, Any]]:
    """Reads all rows there are, by the name of their file."""
    rows = {path.stem: json_or_none(path) for path in sorted(plan.rows.glob("*.json"))}
    return {
        name: row
        for name, row in rows.items()
        if isinstance(row, dict) and row.get("kind") == KIND
    }
