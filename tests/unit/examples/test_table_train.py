"""What surrounds a table's trainings: given parts, failures, averages, machines."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.lib.steps import FINISHED, UserError, mark
from examples.lib import corpora, trainings
from examples.lib.trainings import for_machine, make_ready, recipe_of
from examples.paper_table import measure as table_measure
from examples.paper_table import plan as table_plan
from examples.paper_table import train as table_train
from examples.paper_table.measure import on_all, read_conditions, refuse_other_device
from examples.paper_table.plan import (
    TablePlan,
    TrainingJob,
    digest_of,
    is_ready,
    is_trained,
    units_of,
)
from vq_nat.bench.conditions import Clock
from vq_nat.writing import write_json

Make = Callable[..., TablePlan]
Write = Callable[..., None]


def prepared(folder: Path, merges: int = 2000) -> Path:
    """Makes what tells of a prepared corpus."""
    (folder / ".done").mkdir(parents=True)
    (folder / ".done" / "bin.json").write_text("{}")
    recipe = {"options": {"operations": merges}}
    (folder / ".done" / "bpe.json").write_text(json.dumps(recipe))
    return folder


def trained_already(plan: TablePlan, job: TrainingJob) -> None:
    """Leaves what a training leaves, but for its stamp."""
    checkpoint = plan.checkpoint(job)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": {"weight": torch.zeros(2)}, "cfg": {}}, checkpoint)
    write_json(digest_of(plan, job), plan.configuration(job))


def from_nothing(plan: TablePlan, name: str) -> TablePlan:
    """Returns the plan with a model that does not start from its teacher."""
    model = plan.table.models[name]
    flags = {k: v for k, v in model.flags.items() if k != "init-from-teacher"}
    models = {**plan.table.models, name: replace(model, flags=flags)}
    return replace(plan, table=replace(plan.table, models=models))


def test_a_given_corpus_must_be_the_one_of_the_table(
    make_plan: Make, tmp_path: Path
) -> None:
    right, wrong = prepared(tmp_path / "right"), prepared(tmp_path / "wrong", 7)
    table_train.make_human_text(make_plan(given={"corpus": right}))
    with pytest.raises(UserError, match="must have 2000 merges, but has 7 instead"):
        table_train.make_human_text(make_plan(given={"corpus": wrong}))
    with pytest.raises(UserError, match="must be a prepared corpus, but is not"):
        table_train.make_human_text(make_plan(given={"corpus": tmp_path}))


def test_missing_sources_are_a_sentence(
    make_plan: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(data=tmp_path)
    plan = replace(plan, table=replace(plan.table, mono=("more.en.gz",)))
    with pytest.raises(UserError, match="more.en.gz, which the text .* is missing; --"):
        table_train.make_text(plan, "distilled-mono")
    (tmp_path / "more.en.gz").touch()
    monkeypatch.setattr(corpora, "run_data_prep", lambda _place, _out, calls: calls)
    (command,) = table_train.make_text(plan, "distilled-mono")
    assert command[-2:] == ["--mono", str(tmp_path / "more.en.gz")]


def test_a_training_that_fails_does_not_stop_the_others(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {name: prepared(tmp_path / name) for name in ("corpus", "distilled")}
    plan = make_plan(names=("nat", "semhash", "gumbel"), given=given)
    trained, measured = [], []

    def train_job(_: TablePlan, job: TrainingJob) -> str:
        if job.name == "semhash":
            raise UserError("no luck.")
        trained.append(job.name)
        return "done"

    monkeypatch.setattr(table_train, "train_job", train_job)
    failed: dict[str, str] = {}
    table_train.train_all(plan, failed, lambda: measured.append(trained[-1]))
    assert trained == measured == ["teacher", "nat", "gumbel"]
    assert failed == {"semhash": "no luck."}


def test_a_text_that_fails_stops_its_own_trainings_only(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"corpus": prepared(tmp_path / "corpus")}
    plan = make_plan(names=("semhash-raw", "semhash", "gumbel"), given=given)
    trained: list[str] = []

    def make_text(_: TablePlan, name: str) -> str:
        raise UserError(f"no text {name}.")

    monkeypatch.setattr(table_train, "make_text", make_text)
    monkeypatch.setattr(
        table_train, "train_job", lambda _, job: trained.append(job.name) or "done"
    )
    failed: dict[str, str] = {}
    table_train.train_all(plan, failed, lambda: None)
    assert trained == ["teacher", "semhash-raw"]
    assert failed == dict.fromkeys(("semhash", "gumbel"), "no text distilled.")


def test_a_row_that_fails_does_not_stop_the_others(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(names=("nat", "gumbel"))
    raw = plan.corpus / "raw"
    raw.mkdir(parents=True)
    for lang in ("en", "de"):
        (raw / f"test.{lang}").write_text("a line\n")

    def measure(_: TablePlan, unit: Any, *rest: object) -> dict[str, Any]:
        if unit.name == "nat":
            raise RuntimeError("CUDA out of memory.\nTried to allocate much.")
        return {"bleu": 1.0, "latency_ms": {"median": 1.0}}

    monkeypatch.setattr(table_measure, "measure", measure)
    monkeypatch.setattr(table_measure, "is_ready", lambda *_: True)
    failed: dict[str, str] = {}
    table_measure.measure_ready(plan, failed)
    assert failed == {"nat": "CUDA out of memory. Tried to allocate much."}
    assert (plan.rows / "gumbel.json").is_file()


def test_trainings_run_side_by_side_and_are_measured_after_all_of_them(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Clocks are read while nothing else runs."""
    given = {name: prepared(tmp_path / name) for name in ("corpus", "distilled")}
    plan = make_plan(names=("semhash", "gumbel"), given=given, jobs=2)
    monkeypatch.setattr(table_plan, "stamped", lambda *_: FINISHED)
    both, trained, measured = threading.Barrier(2, timeout=20), [], []

    def train_job(_: TablePlan, job: TrainingJob) -> str:
        if job.name != "teacher":
            both.wait()  # each waits for the other to have begun
        trained.append(job.name)
        return "done"

    monkeypatch.setattr(table_train, "train_job", train_job)
    table_train.train_all(plan, {}, lambda: measured.append(sorted(trained)))
    assert measured == [["teacher"], ["gumbel", "semhash", "teacher"]]


@pytest.fixture
def later(make_plan: Make, tmp_path: Path) -> TablePlan:
    """A plan whose `gumbel` goes on from `semhash`, and stands before it."""
    given = {name: prepared(tmp_path / name) for name in ("corpus", "distilled")}
    plan = make_plan(names=("gumbel", "semhash"), given=given, jobs=2)
    models = dict(plan.table.models)
    flags = {**models["gumbel"].flags, "finetune-from-model": "START"}
    models["gumbel"] = replace(models["gumbel"], flags=flags, start="semhash")
    return replace(plan, table=replace(plan.table, models=models))


def test_what_goes_on_from_a_model_is_trained_after_it(
    later: TablePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_plan, "stamped", lambda *_: FINISHED)
    trained: list[str] = []

    def train_job(plan: TablePlan, job: TrainingJob) -> str:
        trained_already(plan, job)
        trained.append(job.name)
        return "done"

    monkeypatch.setattr(table_train, "train_job", train_job)
    failed: dict[str, str] = {}
    table_train.train_all(replace(later, names=("gumbel",)), failed, lambda: None)
    assert trained == ["teacher", "semhash", "gumbel"] and not failed


def test_nothing_goes_on_from_a_training_that_failed(
    later: TablePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_job(plan: TablePlan, job: TrainingJob) -> str:
        if job.name == "semhash":
            raise UserError("no luck.")
        return "done"

    monkeypatch.setattr(table_train, "train_job", train_job)
    failed: dict[str, str] = {}
    table_train.train_all(later, failed, lambda: None)
    assert failed["semhash"] == "no luck."
    assert failed["gumbel"].startswith("semhash must be trained before gumbel")


def test_a_model_that_went_on_from_other_weights_is_not_it(later: TablePlan) -> None:
    start, job = (units_of(later, (n,))[0].job for n in ("semhash", "gumbel"))
    text, teacher = later.text("distilled"), later.teacher
    trained_already(later, TrainingJob(later.table.models["teacher"], None))
    for one in (start, job):
        trained_already(later, one)
    begun = later.checkpoint(start)
    mark(later.stamp(start.name), recipe_of(start.flags, text, teacher), begun)
    recipe = recipe_of(job.flags, text, teacher, begun)
    mark(later.stamp(job.name), recipe, later.checkpoint(job))
    assert is_trained(later, job)
    torch.save({"model": {"weight": torch.ones(2)}, "cfg": {}}, begun)
    mark(later.stamp(start.name), recipe_of(start.flags, text, teacher), begun)
    assert is_trained(later, start) and not is_trained(later, job)


def test_the_words_for_checkpoints_become_them(tmp_path: Path) -> None:
    options = {"a": "TEACHER", "b": "START", "c": True, "d": "last"}
    models = {"TEACHER": tmp_path / "t", "START": tmp_path / "s"}
    assert trainings.with_models(options, models) == {
        **options,
        "a": models["TEACHER"],
        "b": models["START"],
    }


def test_a_teacher_that_only_rescores_is_made_first(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {name: prepared(tmp_path / name) for name in ("corpus", "distilled")}
    plan = from_nothing(make_plan(names=("nat", "nat-npd10"), given=given), "nat")
    monkeypatch.setattr(table_plan, "stamped", lambda *_: FINISHED)
    trained_already(plan, units_of(plan)[0].job)
    ready = [unit.name for unit in units_of(plan) if is_ready(plan, unit)]
    assert ready == ["nat"]  # without its teacher, NPD would fail

    def train_job(_: TablePlan, job: TrainingJob) -> str:
        trained_already(plan, job)
        trained.append(job.name)
        return "done"

    trained: list[str] = []
    monkeypatch.setattr(table_train, "train_job", train_job)
    table_train.train_all(plan, {}, lambda: None)
    assert trained[0] == "teacher"
    assert all(is_ready(plan, unit) for unit in units_of(plan))


def test_a_trained_model_is_known_by_flags_text_and_teacher(
    make_plan: Make, tmp_path: Path
) -> None:
    text = prepared(tmp_path / "text")
    teacher = tmp_path / "teacher.pt"
    torch.save({"model": {"weight": torch.zeros(2)}, "cfg": {}}, teacher)
    plan = make_plan(given={"distilled": text, "teacher": teacher})
    job = next(u.job for u in units_of(plan) if u.name == "vq-em10.seed2")
    assert not is_trained(plan, job)
    trained_already(plan, job)
    recipe = recipe_of(job.flags, text, teacher)
    mark(plan.stamp(job.name), recipe, plan.checkpoint(job))
    assert is_trained(plan, job)
    assert not is_trained(plan, TrainingJob(job.model, 3))
    torch.save({"model": {"weight": torch.zeros(2)}, "cfg": {}, "hours": 2}, teacher)
    assert is_trained(plan, job)  # the same weights, trained again
    torch.save({"model": {"weight": torch.ones(2)}, "cfg": {}}, teacher)
    assert not is_trained(plan, job)


@pytest.mark.parametrize("part", ["distill", "teacher"])
def test_a_model_of_what_the_configuration_was_is_no_model_of_it(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    """Its inputs are those that are on disk, but they are of old themselves."""
    given = {name: prepared(tmp_path / name) for name in ("corpus", "distilled")}
    plan = make_plan(given=given)
    monkeypatch.setattr(table_plan, "stamped", lambda *_: FINISHED)
    unit = next(u for u in units_of(plan) if u.name == "nat-npd10")
    for job in (unit.job, TrainingJob(plan.table.models["teacher"], None)):
        trained_already(plan, job)
    assert is_ready(plan, unit)
    table, teacher = plan.table, plan.table.models["teacher"]
    if part == "distill":
        table = replace(table, distill={"beam": 7})
    else:
        other = replace(teacher, flags={**teacher.flags, "dropout": 0.9})
        table = replace(table, models={**table.models, "teacher": other})
    assert not is_trained(replace(plan, table=table), unit.job)
    assert not is_ready(replace(plan, table=table), unit)


def test_checkpoints_are_averaged(
    make_plan: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan()
    model = replace(plan.table.models["nat"], checkpoint="average", average=2)
    job = TrainingJob(model, None)
    folder = plan.folder(job)
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        state = {"model": {"w": torch.full((2,), float(number))}, "cfg": {}}
        torch.save(state, folder / f"checkpoint{number}.pt")
    monkeypatch.setattr(table_train, "train", lambda *_: "done: trained")
    table_train.train_job(plan, job)
    averaged = torch.load(plan.checkpoint(job), weights_only=True)
    assert averaged["model"]["w"].tolist() == [2.5, 2.5]

    monkeypatch.setattr(table_train, "train", lambda *_: "reused: trained")
    job = TrainingJob(replace(model, average=3), None)
    models = {**plan.table.models, "nat": job.model}
    plan = replace(plan, table=replace(plan.table, models=models))
    table_train.train_job(plan, job)
    averaged = torch.load(plan.checkpoint(job), weights_only=True)
    assert averaged["model"]["w"].tolist() == [2.0, 2.0]


def test_a_training_killed_before_its_average_is_not_finished(
    make_plan: Make, tmp_path: Path
) -> None:
    plan = make_plan(given={"distilled": prepared(tmp_path / "text")})
    plan = from_nothing(plan, "nat")
    model = replace(plan.table.models["nat"], checkpoint="average", average=2)
    job = TrainingJob(model, None)
    trained_already(plan, job)
    plan.checkpoint(job).unlink()
    last = plan.folder(job) / job.output
    last.write_text("a model")
    recipe = recipe_of(job.flags, plan.text("distilled"), None)
    mark(plan.stamp(job.name), recipe, last)
    assert not is_trained(plan, job)
    plan.checkpoint(job).write_text("the mean of models")
    assert is_trained(plan, job)


def test_a_folder_of_another_script_is_left_alone(tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"version": 1, "flags": {}, "inputs": {}}
    theirs = tmp_path / "teacher"
    theirs.mkdir()
    (theirs / "started.json").write_text('{"options": {}, "inputs": {}}')
    with pytest.raises(UserError, match="must be a folder of this script"):
        make_ready(theirs, recipe)
    assert (theirs / "started.json").exists()
    make_ready(tmp_path / "ours", recipe)
    (tmp_path / "ours" / "checkpoint.txt").touch()
    make_ready(tmp_path / "ours", recipe)
    assert (tmp_path / "ours" / "checkpoint.txt").exists()
    make_ready(tmp_path / "ours", {**recipe, "version": 2})
    assert not (tmp_path / "ours" / "checkpoint.txt").exists()


@pytest.mark.parametrize(("gpus", "steps"), [(0, 8), (1, 8), (4, 2), (16, 1)])
def test_all_gpus_together_make_the_batch(
    gpus: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainings, "count_gpus", lambda env: gpus)
    options = {"max-tokens": 2048, "batch-tokens": 16384}
    assert for_machine(options, {}) == {"max-tokens": 2048, "update-freq": steps}
    assert for_machine({"max-tokens": 1}, {}) == {"max-tokens": 1}


SIZES = (Clock(8, 1), Clock(8, 0), Clock(0, 1))


def test_a_gpu_has_clocks_of_its_own() -> None:
    cpu = (Clock(8, 1, "cpu"), Clock(8, 0, "cpu"), Clock(0, 1, "cpu"))
    assert on_all(SIZES, "cpu", 1) == cpu
    gpu = (Clock(8, 2, "cuda"), Clock(0, 2, "cuda"))
    assert on_all(SIZES, "cuda", 2) == cpu + gpu
    assert on_all(SIZES, "cuda", 2, on_cpu=False) == gpu


def test_a_table_of_a_gpu_is_not_filled_on_a_cpu(make_plan: Make) -> None:
    plan = make_plan()
    refuse_other_device(plan)
    measure = replace(plan.table.measure, cpu_clocks=False)
    plan = replace(plan, table=replace(plan.table, measure=measure))
    with pytest.raises(UserError, match="must be a GPU for the table demo, which"):
        refuse_other_device(plan)
    refuse_other_device(replace(plan, device="cuda"))


def test_every_batch_is_timed_with_the_threads_of_one_sentence() -> None:
    """Else the best batch would be sought among two."""
    every = on_all(SIZES, "cpu", 3)
    assert {Clock(8, 3, "cpu"), Clock(0, 3, "cpu")} <= set(every)


def test_graphs_run_on_the_cpu_whatever_the_others_do(make_plan: Make) -> None:
    plan = make_plan(device="cuda")
    rows = plan.table.rows
    assert read_conditions(plan, rows["tuned"]).device == "cuda"
    on_cpu = read_conditions(plan, rows["tuned-onnx"])
    assert {on_cpu.device, *(clock.device for clock in on_cpu.clocks)} == {"cpu"}


def test_a_row_may_have_fewer_clocks_and_is_measured_alike_in_all_else(
    make_plan: Make,
) -> None:
    plan = make_plan()
    rows = plan.table.rows
    usual, few = (read_conditions(plan, rows[n]) for n in ("nat", "nat-npd100"))
    assert few.clocks == (Clock(8, 1, "cpu"),) and len(usual.clocks) > 5
    assert replace(few, clocks=()) == replace(usual, clocks=())
