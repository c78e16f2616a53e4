"""Owns the making of a table's models: corpus, teacher, distilled texts, trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from data_prep.lib.average import average_checkpoints, last_checkpoints
from data_prep.lib.steps import UserError
from examples.lib.corpora import check_corpus, distill, make_corpus
from examples.lib.places import corpus_stamp
from examples.lib.progress import say
from examples.lib.side_by_side import side_by_side
from examples.lib.trainings import train
from examples.paper_table.config import TEACHER
from examples.paper_table.plan import (
    TablePlan,
    TrainingJob,
    begun_before,
    begun_from,
    digest_of,
    is_ready,
    is_trained,
    jobs_of,
    start_of,
    texts_of,
    wanted,
)
from vq_nat.writing import json_or_none, write_json


def train_all(
    plan: TablePlan, failed: dict[str, str], then: Callable[[], None]
) -> None:
    """Makes every model that a missing row needs.

    Args:
        plan: what, where, and on which machine.
        failed: gets the names and reasons of trainings that fail.
        then: measures what has become possible; called after each training, or, if
            several run side by side, after all of them.
    """
    units = wanted(plan)
    # The teacher of a finished training is needed no more, unless it rescores.
    units = [unit for unit in units if not is_ready(plan, unit)]
    jobs = jobs_of(plan, units)
    if not jobs:
        say("Training: nothing to do")
        return
    make_human_text(plan)
    teacher = [job for job in jobs if job.model.name == TEACHER]
    students = [job for job in jobs if job.model.name != TEACHER]
    for job in teacher:
        say(f"Teacher\n      {train_job(plan, job)}")
        then()
    lost = make_texts(plan, texts_of(students))

    def train_student(number: int, job: TrainingJob) -> None:
        say(f"[{number}/{len(students)}] {job.name}, trained on the {job.model.text}")
        try:
            if job.model.text in lost:
                raise lost[job.model.text]
            refuse_missing_start(plan, job)
            say(f"      {job.name}: {train_job(plan, job)}")
        except UserError as error:
            failed[job.name] = str(error)
            say(f"      {job.name} failed: {error}")
            return
        if plan.jobs == 1:  # clocks are read while nothing else runs
            then()

    tasks = [partial(train_student, *numbered) for numbered in enumerate(students, 1)]
    depths = [len(begun_before(plan, job)) for job in students]
    for depth in sorted(set(depths)):  # what goes on from others waits for them
        side_by_side([t for t, d in zip(tasks, depths) if d == depth], plan.jobs)
    if plan.jobs > 1:
        then()


def refuse_missing_start(plan: TablePlan, job: TrainingJob) -> None:
    """Refuses a training whose beginning is not there.

    Raises:
        UserError: naming the model that it goes on from.
    """
    start = start_of(plan, job)
    if start is not None and not is_trained(plan, start):
        raise UserError(
            f"{start.name} must be trained before {job.name}, which goes on from it, "
            "but is not."
        )


def make_human_text(plan: TablePlan) -> None:
    """Prepares the corpus, or looks whether the given one is right."""
    if "corpus" in plan.given:
        check_corpus(plan.corpus, plan.table.corpus["bpe-operations"])
        say(f"Corpus\n      given: {plan.corpus}")
        return
    say(f"Corpus\n      {make_corpus(plan, plan.table.corpus)}")


def make_texts(plan: TablePlan, names: Sequence[str]) -> dict[str, UserError]:
    """Makes texts, and returns those that fail with their reasons."""
    lost = {}
    for name in names:
        say(f"Text `{name}`")
        try:
            say(f"      {make_text(plan, name)}")
        except UserError as error:
            lost[name] = error
            say(f"      failed: {error}")
    return lost


def make_text(plan: TablePlan, name: str) -> str:
    """Lets the teacher translate, unless its translations are given."""
    out = plan.text(name)
    if name in plan.given:
        if not corpus_stamp(out).is_file():
            raise UserError(f"{out} must be a distilled corpus, but is not.")
        return f"given: {out}"
    mono = plan.table.mono if name == "distilled-mono" else ()
    return distill(plan, plan.teacher, out, plan.table.distill, mono)


def train_job(plan: TablePlan, job: TrainingJob) -> str:
    """Trains a model, and averages its checkpoints if that is wanted."""
    if job.model.name == TEACHER and TEACHER in plan.given:
        return f"given: {plan.teacher}"
    folder, text = plan.folder(job), plan.text(job.model.text)
    places = (folder, job.flags, text, plan.teacher, job.output)
    state = train(plan, job.name, *places, begun_from(plan, job))
    averaged, digest = plan.checkpoint(job), digest_of(plan, job)
    # A reused training may have been averaged otherwise: over fewer, over more.
    same = json_or_none(plan.configuration(job)) == digest
    kept = same and averaged.is_file() and not state.startswith("done")
    if job.model.checkpoint == "average" and not kept:
        paths = last_checkpoints(folder, job.model.average)
        average_checkpoints(paths, averaged)
    write_json(digest, plan.configuration(job))
    return state
