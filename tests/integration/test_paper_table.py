"""The paper's table in its toy size through the real commands, and a run that rests."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from warm_python import warm_python

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "paper_table" / "run.py"
ROWS = yaml.safe_load((SCRIPT.parent / "toy.yaml").read_text("utf-8"))["only"]
SEEDED = [f"{name}.seed1" if name.startswith("vq") else name for name in ROWS]

Run = subprocess.CompletedProcess[str]


def table(work: Path, *arguments: object) -> Run:
    """Runs the table as a user does, on one thread, in a folder of its own."""
    places = ["--work", work / "work", "--results", work / "results", "--threads", 1]
    command = [warm_python(), SCRIPT, "toy", *places, *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A run from nothing."""
    work = tmp_path_factory.mktemp("table")
    return work, table(work)


def rows(work: Path) -> dict[str, Path]:
    """Returns the files of all rows by name."""
    return {p.stem: p for p in (work / "results" / "toy").glob("*.json")}


def test_every_row_is_made_from_nothing(first_run: tuple[Path, Run]) -> None:
    work, run = first_run
    assert run.returncode == 0, run.stdout + run.stderr
    by_name = {name: json.loads(path.read_text()) for name, path in rows(work).items()}
    assert sorted(by_name) == sorted(SEEDED)
    for name, row in by_name.items():
        assert row["row"] == name.partition(".")[0] and row["latency_ms"]["median"] > 0
        latent = name.startswith(("vq", "semhash", "identity"))
        assert row["updates"] == (12 if latent else 8)
    assert by_name["vq-em10.seed1"]["validation"]["bleu_true_codes"] is not None
    assert by_name["vq-em10.seed1"]["curves"]["training"]
    report = (work / "results" / "toy" / "report.md").read_text()
    assert "Not measured yet" not in report and "## Who wins where" in report


def test_a_second_run_does_nothing_even_without_models(
    first_run: tuple[Path, Run], tmp_path: Path
) -> None:
    work, _ = first_run
    before = {name: path.stat().st_mtime_ns for name, path in rows(work).items()}
    (tmp_path / "results").symlink_to(work / "results")
    again = table(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Training: nothing to do" in again.stdout
    assert before == {n: path.stat().st_mtime_ns for n, path in rows(work).items()}
    assert not (tmp_path / "work" / "models").exists()


def test_finished_rows_are_diagnosed_and_keep_what_they_say(
    first_run: tuple[Path, Run],
) -> None:
    work, _ = first_run
    before = {name: json.loads(path.read_text()) for name, path in rows(work).items()}
    run = table(work, "--diagnose", "--rows", "teacher", "vq-em10", "vq-em10-onnx-int8")
    assert run.returncode == 0, run.stdout + run.stderr
    after = {name: json.loads(path.read_text()) for name, path in rows(work).items()}
    found = after["vq-em10.seed1"].pop("diagnosis")
    assert after == before  # one row of each model
    assert found["test_set"] == "valid" and "predictor" in found["losses"]
    report = (work / "results" / "toy" / "report.md").read_text()
    assert report.count("Of the teacher's BLEU") == 1
    assert "## Where the loss is" in report
