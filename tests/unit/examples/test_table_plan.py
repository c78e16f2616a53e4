"""What a run would do: rows, seeds, states, estimates and the words of a dry run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.lib.steps import UserError
from examples.lib.places import corpus_stamp
from examples.paper_table import run as table_run
from examples.paper_table.config import digest, row_config
from examples.paper_table.overview import estimate_training, overview
from examples.paper_table.plan import (
    FINISHED,
    MISSING,
    STALE,
    TablePlan,
    choose_rows,
    finished_rows,
    hash_inputs,
    jobs_of,
    judge_of,
    state_of,
    texts_of,
    units_of,
    wanted,
)

Make = Callable[..., TablePlan]
Write = Callable[..., None]


def names(units: list[Any]) -> list[str]:
    """Names rows."""
    return [unit.name for unit in units]


def test_rows_are_chosen_by_name_and_by_group(make_plan: Make) -> None:
    table = make_plan().table
    assert choose_rows(table, None) == tuple(table.rows)
    chosen = choose_rows(table, ["vq-em10", "teacher"])
    assert chosen == ("teacher-beam4", "teacher-greedy", "vq-em10")
    with pytest.raises(UserError, match="--rows must be names or groups .* `nonsense`"):
        choose_rows(table, ["nonsense"])


def test_a_seed_of_everything_comes_before_the_next(make_plan: Make) -> None:
    plan = make_plan(names=("vq", "teacher-beam4", "vq-em10", "tuned-npd10"))
    assert names(units_of(plan)) == [
        "vq.seed1",
        "teacher-beam4",
        "vq-em10.seed1",
        "tuned-npd10.seed1",
        "vq.seed2",
        "vq-em10.seed2",
        "vq.seed3",
        "vq-em10.seed3",
    ]
    one = make_plan(names=("vq", "teacher-beam4"), seeds=(2,))
    assert names(units_of(one)) == ["teacher-beam4", "vq.seed2"]


def test_only_what_is_missing_is_made(make_plan: Make, write_row: Write) -> None:
    plan = make_plan(names=("vq-raw", "teacher-beam4", "nat"))
    write_row(plan, "vq-raw")
    write_row(plan, "nat", config="of another configuration")
    states = {unit.name: state_of(plan, unit) for unit in units_of(plan)}
    assert states["vq-raw.seed1"] == FINISHED and states["nat"] == STALE
    assert states["teacher-beam4"] == MISSING
    # No model is on disk: what is finished is not trained again for that.
    assert names(wanted(plan)) == ["teacher-beam4"]
    anew = make_plan(names=plan.names, stale=True)
    assert names(wanted(anew)) == ["teacher-beam4", "nat"]


def write_teacher(path: Path, weight: float = 1.0, seconds: float = 60.0) -> None:
    """Writes a checkpoint of one weight, which knows how long its training took."""
    state = {"model": {"weight": torch.tensor(weight)}, "cfg": {}, "seconds": seconds}
    torch.save(state, path)


def given_parts(folder: Path) -> dict[str, Path]:
    """Makes a teacher and corpora as another run may have left them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_teacher(folder / "teacher.pt")
    for name in ("corpus", "distilled"):
        stamp = folder / name / ".done" / "bin.json"
        stamp.parent.mkdir(parents=True)
        stamp.write_text(name)
    return {
        "teacher": folder / "teacher.pt",
        "corpus": folder / "corpus",
        "distilled": folder / "distilled",
    }


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("teacher", {"teacher-beam4", "nat", "nat-npd10"}),
        ("corpus", {"teacher-beam4", "nat", "nat-npd10", "deep-shallow-raw-greedy"}),
        ("distilled", {"nat", "nat-npd10"}),
    ],
)
def test_rows_of_other_given_parts_are_stale(
    make_plan: Make, write_row: Write, tmp_path: Path, changed: str, stale: set[str]
) -> None:
    chosen = ("teacher-beam4", "nat", "nat-npd10", "deep-shallow-raw-greedy")
    given = given_parts(tmp_path / "given")
    plan = make_plan(names=chosen, given=given)
    for unit in units_of(plan):
        # Rows used to name a teacher that they do not depend on.
        inputs = {"teacher": "on disk by chance", **hash_inputs(plan, unit)}
        write_row(plan, unit.name, inputs=inputs)
    assert {state_of(plan, unit) for unit in units_of(plan)} == {FINISHED}
    if changed == "teacher":
        write_teacher(given[changed], weight=2.0)
    else:
        corpus_stamp(given[changed]).write_text("made anew")
    states = {unit.name: state_of(plan, unit) for unit in units_of(plan)}
    assert {name for name, state in states.items() if state == STALE} == stale
    # Without the parts a row is judged by its configuration alone.
    alone = make_plan(names=chosen)
    assert {state_of(alone, unit) for unit in units_of(alone)} == {FINISHED}


def test_a_teacher_trained_again_to_the_same_weights_is_the_same(
    make_plan: Make, write_row: Write, tmp_path: Path
) -> None:
    given = given_parts(tmp_path / "given")
    plan = make_plan(names=("teacher-beam4",), given=given)
    (unit,) = units_of(plan)
    write_row(plan, unit.name, inputs=hash_inputs(plan, unit))
    write_teacher(given["teacher"], seconds=75.5)
    assert state_of(plan, unit) == FINISHED


def test_rows_from_before_they_named_their_corpus_are_kept(
    make_plan: Make, write_row: Write, tmp_path: Path
) -> None:
    plan = make_plan(names=("nat",), given=given_parts(tmp_path / "given"))
    write_row(plan, "nat", inputs={})
    assert [state_of(plan, unit) for unit in units_of(plan)] == [FINISHED]


def test_a_broken_row_is_missing(make_plan: Make, write_row: Write) -> None:
    plan = make_plan(names=("nat",))
    write_row(plan, "nat")
    path = plan.rows / "nat.json"
    path.write_text(path.read_text()[:-5])
    assert names(wanted(plan)) == ["nat"]


def test_trainings_are_listed_once_and_after_their_teacher(make_plan: Make) -> None:
    plan = make_plan(names=("nat", "nat-npd10", "ct2-teacher-greedy", "vq"), seeds=(1,))
    jobs = jobs_of(plan, units_of(plan))
    assert [job.name for job in jobs] == ["teacher", "nat", "vq.seed1"]
    assert texts_of(jobs) == ["distilled"]
    raw = make_plan(names=("deep-shallow-raw-greedy",))
    assert [job.name for job in jobs_of(raw, units_of(raw))] == ["deep-shallow-raw"]


def test_another_model_may_verify(make_plan: Make) -> None:
    plan = make_plan(names=("words-k2-verified",))
    (unit,) = units_of(plan)
    judge = judge_of(plan, unit)
    assert judge is not None and judge.name == "student-ar"
    jobs = [job.name for job in jobs_of(plan, [unit])]
    assert jobs == ["teacher", "words-k2.seed1", "student-ar"]
    by_teacher = replace(unit.row, decoding={"verify": True, "teacher": True})
    hashes = {digest(row_config(plan.table, row, 1)) for row in (unit.row, by_teacher)}
    assert len(hashes) == 2
    models = plan.table.models
    longer = replace(models["student-ar"], flags={"max-update": 1})
    other = replace(plan.table, models={**models, "student-ar": longer})
    assert units_of(replace(plan, table=other))[0].hash != unit.hash


def test_times_are_estimated_by_the_most_similar_rows(
    make_plan: Make, write_row: Write
) -> None:
    plan = make_plan()
    units = {unit.name: unit for unit in units_of(plan)}
    job = units["vq.seed1"].job
    updates = job.model.flags_of(1)["max-update"]
    guess = estimate_training(plan, job, finished_rows(plan))
    assert guess[0] == pytest.approx(updates / plan.table.updates_per_second)
    write_row(plan, "nat", updates=10, train_seconds=1000)
    assert estimate_training(plan, job, finished_rows(plan)) == guess
    write_row(plan, "vq-em10", updates=100, train_seconds=50)
    similar = estimate_training(plan, job, finished_rows(plan))
    assert similar[1] == "rows of the same architecture"
    assert similar[0] == updates * 50 / 100
    write_row(plan, "vq", updates=100, train_seconds=25)
    same = estimate_training(plan, job, finished_rows(plan))
    assert same[1] == "rows of the same model"
    assert same[0] == updates * 25 / 100
    write_row(plan, "vq", updates=100, train_seconds=1, train_gpu="a fast one")
    assert estimate_training(plan, job, finished_rows(plan)) == similar
    on_gpu = replace(plan, device="cuda")
    assert estimate_training(on_gpu, job, finished_rows(plan))[0] == updates / 100


def test_a_dry_run_says_all_this(make_plan: Make, write_row: Write) -> None:
    plan = make_plan(names=("teacher-beam4", "nat", "semhash"))
    write_row(plan, "nat", config="of old")
    write_row(plan, "teacher-beam4")
    (plan.rows / "long-gone.json").write_text(json.dumps({"kind": "paper_table"}))
    text = overview(plan)
    assert "teacher-beam4: finished\n" in text
    assert (
        "nat: stale (of another configuration, teacher or corpus), kept, unless" in text
    )
    assert "semhash: missing, no model yet" in text
    assert "long-gone: not in the configuration, left alone" in text
    assert "to train: semhash, 900 updates on the distilled text" in text
    assert "to measure: 1 rows" in text
    assert not plan.work.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--threads", "0"], "--threads must be at least 1, but is 0 instead."),
        (["--jobs", "0"], "--jobs must be at least 1, but is 0 instead."),
        (["--train-only", "--measure-only"], "--train-only must not go with"),
        (["--time", "--diagnose"], "--time must not go with --diagnose"),
        (["--stale", "--time"], "--stale must not go with --time"),
        (["--rows", "x"], "--rows must be names or groups"),
        (["--seeds", "9"], "--seeds must be among 1, 2, 3, but one is 9 instead."),
        (["--use", "x=y"], "--use must be NAME=PATH with a NAME of teacher, corpus"),
        (["--use", "teacher=nowhere"], "--use teacher must be a file, but nowhere is"),
        (["--use", "teacher=/"], "--use teacher must be a file, but / is not"),
        (["--use", "corpus=nowhere"], "--use corpus must be a folder, but nowhere is"),
        (["--config", "nowhere.yaml"], "nowhere.yaml is missing"),
        (["--report"], "must hold a row of the table, but holds none"),
    ],
)
def test_misuse_is_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "rows")]
    with pytest.raises(SystemExit, match=sentence):
        table_run.main(["demo", *places, *words])
    assert not list(tmp_path.iterdir())
