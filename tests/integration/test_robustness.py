"""The robustness experiment, at toy length and from rows that nobody trained."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fairseq.logging import metrics
from warm_python import warm_python

from data_prep.lib.steps import UserError
from examples import robustness
from vq_nat.results.training_log import LogEntry
from vq_nat.translation.criterion import LatentPredictionCriterion

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "robustness.py"

POINT = (
    *("num_updates", "word_accuracy", "vq_posterior_entropy"),
    "vq_quantization_error",
)

TOY = ("--corpus", "copies", "--updates", "4", "--max-tokens", "500", "--threads", "1")
GRID = ("--sizes", "4", "8", "--assign", "hard", "soft-exact", "--seeds", "1")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the script as a user does."""
    command = [str(word) for word in (warm_python(), SCRIPT, *arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment
    )


def row(assign: str, codes: int, seed: int, used: int) -> dict[str, Any]:
    """A row that nobody trained."""
    point = {"updates": 10, "used_codes": used, "word_accuracy": used / codes}
    return {
        "kind": "robustness",
        **{"corpus": "demo", "assign": assign, "codes": codes, "seed": seed},
        **{"updates": 10, "max_tokens": 500, "curve": [point], "final": point},
        **{"processor": "an abacus", "threads": 2, "commit": "abc123"},
        "versions": {"torch": "2.13.0"},
    }


def test_rows_of_other_lengths_are_left_out(tmp_path: Path) -> None:
    rows = [row("hard", 256, 1, 4), row("hard", 256, 2, 8) | {"updates": 300}]
    for number, one in enumerate(rows):
        (tmp_path / "demo").mkdir(exist_ok=True)
        (tmp_path / "demo" / f"{number}.json").write_text(json.dumps(one))
    (tmp_path / "dict.en.txt").touch()
    arguments = ["--data", tmp_path, "--results", tmp_path, "--updates", 10]
    arguments += ["--max-tokens", 500]
    args = robustness.build_parser().parse_args(map(str, arguments))
    assert robustness.load_rows(robustness.read_plan(args)) == rows[:1]


def test_tables_are_means_and_ranges_over_seeds() -> None:
    rows = [row("soft-5", 256, 1, 128), row("hard", 256, 1, 4), row("hard", 256, 2, 8)]
    lines = robustness.tables(rows).splitlines()
    assert "| assignment | 256 |" in lines
    assert lines.index("| hard EM | 6 (4–8) |") < lines.index(
        "| soft EM, M = 5 | 128 |"
    )
    assert "| soft EM, M = 5 | 50.0 % |" in lines


def test_only_what_is_compared_differs(tmp_path: Path) -> None:
    (tmp_path / "dict.en.txt").touch()
    args = robustness.build_parser().parse_args(["--data", str(tmp_path)])
    plan = robustness.read_plan(args)
    runs = list(robustness.runs_of(plan))
    assert len(runs) == len({one.name for one in runs}) == 7 * 5 * 3
    assert (runs[0].codes, runs[-1].codes) == (2**8, 2**14)
    first = robustness.options_of(plan, runs[0])
    varied = {"vq-num-codes", "vq-assign", "vq-num-samples", "seed"}
    for one in runs:
        options = robustness.options_of(plan, one)
        differing = {k for k in options if options[k] != first.get(k)}
        assert differing <= varied


def test_a_row_is_of_the_very_corpus(tmp_path: Path) -> None:
    def hashed() -> dict[str, str]:
        robustness.hashes.cache_clear()
        return robustness.hashes(tmp_path)

    names = ["dict.en.txt", "train.de-en.en.bin", "valid.de-en.de.idx"]
    for name in [*names, "test.de-en.en.bin", "preprocess.log"]:
        (tmp_path / name).write_text(name)
    before = hashed()
    assert sorted(before) == names
    (tmp_path / names[1]).write_text("other sentences")
    assert {name for name in names if hashed()[name] != before[name]} == {names[1]}


@pytest.mark.parametrize("codes", robustness.SIZES)
@pytest.mark.parametrize("used", [1, 2, 3, 100, 255])
def test_every_used_code_is_counted(codes: int, used: int) -> None:
    log = {"words": 1, "codes": 1, "batches": 2, "vq_recent_codes": 2 * used / codes}
    with metrics.aggregate() as logged:
        LatentPredictionCriterion.reduce_metrics([log])
    values = {**dict.fromkeys(POINT, 0.0), **logged.get_smoothed_values()}
    entry = LogEntry("valid", values)
    assert robustness.point(entry, codes)["used_codes"] == used


def test_two_experiments_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        robustness.locked(tmp_path, "robustness experiment"),
        pytest.raises(UserError, match="Another robustness experiment is working in"),
        robustness.locked(tmp_path, "robustness experiment"),
    ):
        pass


def test_a_toy_experiment_keeps_rows_and_is_not_repeated(
    tmp_corpus: Path, tmp_path: Path
) -> None:
    arguments = (*("--data", tmp_corpus, "--work", tmp_path / "work"), *TOY, *GRID)
    results = tmp_path / "results"
    first = run(*arguments, "--results", results)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("trained: ") == 4
    paths = sorted((results / "copies").glob("*.json"))
    assert [path.stem for path in paths] == [
        *("hard-4-seed1", "hard-8-seed1", "soft-exact-4-seed1", "soft-exact-8-seed1")
    ]
    measured = json.loads(paths[1].read_text())
    assert [point["updates"] for point in measured["curve"]] == [1, 2, 3, 4]
    assert 1 <= measured["final"]["used_codes"] <= 8
    assert 0 <= measured["final"]["word_accuracy"] <= 1
    table = (results / "copies" / "robustness.md").read_text()
    assert table in first.stdout + "\n" and "| hard EM |" in table
    before = [path.stat().st_mtime_ns for path in paths]
    again = run(*arguments, "--results", results)
    assert again.returncode == 0 and again.stdout.count("reused: ") == 4
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [row("hard", 256, seed, 4 * seed) for seed in (1, 2)]
    robustness.plot([*rows, row("soft-5", 512, 1, 128)], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--updates", "0"), "--updates must be at least 1, but is 0 instead."),
        (("--sizes", "1"), "--sizes must be at least 2, but is 1 instead."),
        ((), "--data must hold binary files for fairseq;"),
    ],
)
def test_misuse_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = run("--data", tmp_path, *arguments)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {sentence}")
