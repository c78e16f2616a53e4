"""The quickstart's toy preset through the real commands, and a run that reuses all."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from warm_python import warm_python

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "quickstart.py"
TOY = ROOT / "examples" / "presets" / "toy.yaml"
SYSTEMS = (
    *("teacher-beam4", "teacher-greedy", "student", "words"),
    *("teacher-beam4-ctranslate2", "teacher-greedy-ctranslate2"),
    *("teacher-beam4-engine", "teacher-greedy-engine"),
    *("student-engine", "student-npd4-engine"),
    *("words-engine", "words-npd4-engine"),
)
MADE = ("teacher/train.log", "student/train.log", "corpus-distilled/bin/text.json")


def quickstart(
    *arguments: object, cwd: Path, preset: Path = TOY
) -> subprocess.CompletedProcess[str]:
    """Runs the quickstart as a user does, on one thread."""
    command = [warm_python(), SCRIPT, "--preset", preset, "--threads", 1, *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def modified(work: Path) -> dict[str, int]:
    """Returns when results and the products of the long steps were written."""
    paths = [work / name for name in MADE] + sorted((work / "rows").rglob("*.json"))
    return {str(path): path.stat().st_mtime_ns for path in paths}


@pytest.fixture(scope="module")
def first_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run from nothing, in a folder other than the repository."""
    work = tmp_path_factory.mktemp("quickstart") / "work"
    return work, quickstart("--work", work, cwd=work.parent)


def test_the_toy_runs_from_nothing_to_a_table(
    first_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    work, run = first_run
    assert run.returncode == 0, run.stdout + run.stderr
    headings = re.findall(r"^\[(\d)/9\] ", run.stdout, re.MULTILINE)
    assert headings == list("123456789")
    assert "reused" not in run.stdout
    table = (work / "results.md").read_text()
    assert table in run.stdout + "\n" and "latent student" in table
    assert run.stdout.count("\n      en  ") == 5
    for name in SYSTEMS:
        row = json.loads((work / "rows" / "toy" / f"{name}.json").read_text())
        assert row["updates"] == (8 if name.startswith("teacher") else 12)
        assert row["latency_ms"]["median"] > 0 and row["correct"] is not None
        own = name.removesuffix("-engine") != name
        assert row["dtype"] == ("int8" if own else row["dtype"])
        assert ("teacher-greedy-ctranslate2" in row["in_turn"]) == (
            own or name in ("student", "words", "teacher-beam4-ctranslate2")
        )
        if name == "student":
            assert row["validation"]["bleu_true_codes"] is not None
            assert row["validation"]["perplexity"] >= 1


def test_the_table_sets_all_beside_ctranslate2_and_each_training_once(
    first_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    work, _ = first_run
    parts = (work / "results.md").read_text().split("\n\n")
    main, latent, trained = (part for part in parts if part.startswith("|"))
    lines = main.splitlines()
    assert lines[0].count("× CTranslate2") == 1 and len(lines) == 2 + len(SYSTEMS)
    assert all(line.split("|")[-3].strip().endswith("×") for line in lines[2:])
    assert len(latent.splitlines()) == 4 and len(trained.splitlines()) == 5


def test_a_second_run_reuses_everything(
    first_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    work, run = first_run
    before = modified(work)
    again = quickstart("--work", work, cwd=work.parent)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("reused: ") == 5
    assert again.stdout.count("(reused)") == len(SYSTEMS)
    assert modified(work) == before
    assert (work / "results.md").read_text() in again.stdout + "\n"


@pytest.fixture
def broken_preset(tmp_path: Path) -> Path:
    """A preset whose teacher fairseq refuses."""
    path = tmp_path / "broken.yaml"
    path.write_text(TOY.read_text().replace("arch: transformer\n", "arch: nonsense\n"))
    return path


def test_a_failed_step_names_its_log(
    first_run: tuple[Path, subprocess.CompletedProcess[str]],
    broken_preset: Path,
    tmp_path: Path,
) -> None:
    work, _ = first_run
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "corpus").symlink_to(work / "corpus")
    run = quickstart("--work", tmp_path / "work", cwd=tmp_path, preset=broken_preset)
    assert run.returncode == 1
    log = tmp_path / "work" / "teacher" / "train.log"
    assert f"error: fairseq_cli.train failed with status 2; its log is {log}" in (
        run.stderr
    )
    assert "invalid choice: 'nonsense'" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--threads", "0"], "--threads must be at least 1, but is 0 instead."),
        (
            ["--data", "."],
            "--data must go with --corpus multi30k; the demo needs none.",
        ),
        (
            ["--corpus", "multi30k", "--data", "nowhere"],
            "--data must be a folder, but nowhere is not.",
        ),
        (["--preset", "nowhere"], "The preset nowhere is missing."),
    ],
)
def test_misuse_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    run = quickstart(*arguments, cwd=tmp_path)
    assert (run.returncode, run.stderr.strip()) == (1, f"error: {sentence}")


def test_a_folder_of_somebody_else_is_left_alone(
    first_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    work, _ = first_run
    (tmp_path / "corpus").symlink_to(work / "corpus")
    precious = tmp_path / "teacher" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    run = quickstart("--work", tmp_path, cwd=tmp_path)
    assert run.returncode == 1 and "must be a folder of this script" in run.stderr
    assert precious.read_text() == "years of work"
