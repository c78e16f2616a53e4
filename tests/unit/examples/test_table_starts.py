"""Models that go on from others, which go on from others."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from table_rows import SMALL_CORPUS

from data_prep.lib.steps import UserError
from examples.paper_table import train
from examples.paper_table.config import Table, read_table, training_config
from examples.paper_table.plan import TablePlan, TrainingJob, jobs_of, units_of
from examples.paper_table.starts import chain_of

GOES_ON = {"finetune-from-model": "START"}


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Reads a table of models, of which one or several go on from others."""

    def read(only: str, **models: str | None) -> Table:
        keys = {
            "corpus": SMALL_CORPUS,
            "teacher": {"max-update": 5, "arch": "transformer"},
            "distill": {"beam": 2},
            "student": {"max-update": 6},
            "measure": {"batch-size": 2},
            "models": {
                name: {"recipe": "student", "text": "distilled", "start": start}
                | ({} if start is None else {"set": dict(GOES_ON)})
                for name, start in models.items()
            },
            "rows": {
                name: {"group": "ours", "label": name, "model": name} for name in models
            },
            "only": [only],
        }
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump(keys))
        return read_table(path)

    return read


def test_a_chain_is_trained_from_its_first_model_on(table: Any, tmp_path: Path) -> None:
    read = table("c", a=None, b="a", c="b", d="c")
    assert set(read.models) == {"teacher", "a", "b", "c"}
    assert chain_of(read.models, "c") == ["a", "b"]
    begun = training_config(read, "c", None)["start"]
    assert begun == training_config(read, "b", None)
    assert begun["start"] == training_config(read, "a", None)
    places = {"work": tmp_path / "work", "results": tmp_path / "results"}
    plan = TablePlan(
        kind="demo",
        data=None,
        threads=1,
        device="cpu",
        table=read,
        names=("c",),
        **places,
    )
    assert [job.name for job in jobs_of(plan, units_of(plan))] == [
        *("teacher", "a", "b", "c")
    ]


def test_a_chain_is_trained_one_after_the_other_whatever_runs_beside(
    table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = table("c", a=None, b="a", c="b")
    how = {"kind": "demo", "data": None, "threads": 1, "device": "cpu", "jobs": 3}
    places = {"work": tmp_path / "work", "results": tmp_path / "results"}
    plan = TablePlan(table=read, names=("c",), **how, **places)
    trained: list[str] = []

    def train_job(_: TablePlan, job: TrainingJob) -> str:
        time.sleep(0.02)  # whoever does not wait is first
        trained.append(job.name)
        return "done"

    monkeypatch.setattr(train, "train_job", train_job)
    monkeypatch.setattr(train, "make_human_text", lambda plan: None)
    monkeypatch.setattr(train, "make_texts", lambda plan, names: {})
    monkeypatch.setattr(train, "is_trained", lambda plan, job: job.name in trained)
    failed: dict[str, str] = {}
    train.train_all(plan, failed, lambda: None)
    assert (trained, failed) == (["teacher", "a", "b", "c"], {})


def test_what_a_judge_goes_on_from_is_trained_too(table: Any, tmp_path: Path) -> None:
    read = table("s", s=None, j="a", a=None)
    row = replace(read.rows["s"], decoding={"teacher": "j", "candidates": 2})
    models = table("j", s=None, j="a", a=None).models | read.models
    read = replace(read, rows={"s": row}, models=models)
    how = {"kind": "demo", "data": None, "threads": 1, "device": "cpu"}
    places = {"work": tmp_path / "work", "results": tmp_path / "results"}
    plan = TablePlan(table=read, names=("s",), **how, **places)
    names = [job.name for job in jobs_of(plan, units_of(plan))]
    assert names == ["teacher", "s", "a", "j"]


@pytest.mark.parametrize("models", [{"a": "a"}, {"a": "b", "b": "a"}])
def test_a_chain_does_not_close(table: Any, models: dict[str, str]) -> None:
    with pytest.raises(UserError, match="`start` of the model `.` must be one of "):
        table("a", **models)
