"""A row says what was measured, how, and on what."""

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vq_nat.bench import engines
from vq_nat.bench.conditions import Clock, Conditions, describe_conditions
from vq_nat.bench.engines import describe_dtype
from vq_nat.bench.machine import commit
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet, spread
from vq_nat.bench.systems import System
from vq_nat.results.report import full_report, load_rows
from vq_nat.results.rows import write_row
from vq_nat.translated import Hypothesis

SOURCES = ["one", "two two", "three"]
LOG = (
    "x | INFO | fairseq_cli.train | {'common': {'seed': 3}}\n"
    'x | INFO | train_inner | {"num_updates": "9", "wall": "60"}\n'
    'x | INFO | valid | {"valid_bleu": "4", "valid_bleu_true_codes": "8", '
    '"valid_vq_perplexity": "5.5", "valid_num_updates": "9"}\n'
)


class Echo:
    """Stands in for a translator; its model has latents or not."""

    def __init__(self, latent: bool) -> None:
        self.model: Any = torch.nn.Linear(3, 2)
        self.parallel = latent
        if latent:
            self.model.lookup = self.model.true_latents = None
            self.model.cfg = SimpleNamespace(
                compression_steps=2,
                vq_kind="vq",
                vq_assign="soft",
                vq_num_samples=5,
                vq_num_codes=64,
                vq_slices=1,
            )
        self.calls: list[tuple[int, int]] = []

    def translate(
        self,
        sentences: list[str],
        batch_size: int,
        references: list[str] | None = None,
    ) -> list[str]:
        self.calls.append((len(sentences), torch.get_num_threads()))
        time.sleep(1e-4)  # less would be rounded to 0 ms on a fast machine
        return list(sentences if references is None else references)

    def hypotheses(self, sentences: list[str], batch_size: int) -> list[Hypothesis]:
        return [Hypothesis(s, [], [], 0.0, passes=len(s.split())) for s in sentences]


OTHER = TestSet("demo", "other", ["four"], [["five"]])
CONDITIONS = Conditions(batch_size=2, timed_sentences=2, warm_up=1, repeats=2)
DECODING = {"teacher-beam4": {"beam": 4}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """measured(name): the row of an echo, which needs no checkpoint."""
    log = tmp_path / "train.log"
    log.write_text(LOG)

    def run(name: str, beside: Path | None = None, **changed: Any) -> dict[str, Any]:
        def load(path: Path, **options: Any) -> Echo:
            run.options = options  # type: ignore[attr-defined]
            run.echo = Echo(latent=name.startswith("student"))  # type: ignore
            return run.echo  # type: ignore[attr-defined]

        monkeypatch.setattr(engines, "load", load)
        test_set = TestSet("demo", "test", SOURCES, [[s] for s in SOURCES], True)
        decoding = changed.pop("decoding", DECODING.get(name, {}))
        label = name.replace("student", "latent student")
        system = System(name, label, tmp_path, log, decoding=decoding)
        conditions = replace(CONDITIONS, **changed)
        return measure_system(system, [test_set, OTHER], conditions, beside)

    return run


def test_a_row_carries_its_recipe(measured: Any) -> None:
    row = measured("student")
    assert (row["system"], row["corpus"], row["test_set"]) == (
        "student",
        "demo",
        "test",
    )
    assert row["correct"] == 1.0 and row["chrf"] == 100.0
    assert row["latency_ms"]["sentences"] == row["latency_ms"]["repeats"] == 2
    assert row["throughput"]["batch_size"] == 2
    assert (row["seed"], row["updates"], row["train_seconds"]) == (3, 9, 60)
    assert (row["n_c"], row["n_s"], row["codebook_size"]) == (2, 5, 64)
    assert (row["parameters"], row["dtype"], row["threads"]) == (8, "float32", 1)
    assert row["validation"]["bleu_true_codes"] == 8.0
    assert row["validation"]["perplexity"] == 5.5
    assert row["versions"].keys() >= {"python", "torch", "fairseq", "sacrebleu"}
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(
    ("name", "beam"), [("teacher-beam4", 4), ("teacher-greedy", 1)]
)
def test_a_teacher_has_a_beam_and_no_codes(measured: Any, name: str, beam: int) -> None:
    row = measured(name)
    assert row["beam"] == measured.options.get("beam", 1) == beam
    assert row["n_c"] is row["n_s"] is row["codebook_size"] is None


def test_a_row_counts_the_passes_of_a_verifying_teacher(measured: Any) -> None:
    assert measured("student")["teacher_passes"] is None
    decoding = {"verify": True, "teacher": "t.pt"}
    assert measured("student", decoding=decoding)["teacher_passes"] == 1.333


def test_all_rows_have_the_same_names(measured: Any) -> None:
    assert measured("student").keys() == measured("teacher-greedy").keys()


def test_written_rows_make_a_report(measured: Any, tmp_path: Path) -> None:
    rows = [measured(name) for name in ("teacher-beam4", "teacher-greedy", "student")]
    for row in rows:
        write_row(row, tmp_path / "rows")
    assert load_rows(tmp_path / "rows") == rows
    assert "latent student" in full_report(rows)


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    system = System("x", "x", tmp_path, engine="abacus")
    with pytest.raises(ValueError, match="`engine` must be one of torch, .*'abacus'"):
        measure_system(system, [OTHER], CONDITIONS)


def test_nothing_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`test_sets` must hold at least one"):
        measure_system(System("x", "x", tmp_path), [], CONDITIONS)


def test_other_test_sets_are_scored_and_not_timed(measured: Any) -> None:
    row = measured("student")
    assert row["other_test_sets"].keys() == {"other"}
    other = row["other_test_sets"]["other"]
    assert (other["sentences"], other["bleu"], other["correct"]) == (1, 0.0, None)
    assert other["ter"] == 100.0 and row["ter"] is None


def test_lengths_are_scored_always_and_timed_if_asked(measured: Any) -> None:
    row = measured("student")
    (quality,) = row["by_length"]
    assert (quality["least"], quality["sentences"]) == (1, len(SOURCES))
    assert row["latency_by_length"] is None
    (timed,) = measured("student", timed_by_length=2)["latency_by_length"]
    assert (timed["sentences"], timed["words"]) == (2, 1.5)


def test_outputs_are_kept_beside_the_row(measured: Any, tmp_path: Path) -> None:
    row = measured("student", beside=tmp_path / "rows" / "a.json")
    kept = tmp_path / "rows" / row["outputs"]
    assert kept.read_text().splitlines() == SOURCES
    other = row["other_test_sets"]["other"]["outputs"]
    assert (tmp_path / "rows" / other).read_text() == "four\n"
    assert measured("student")["outputs"] is None


def test_a_run_that_is_killed_leaves_the_old_outputs(
    measured: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They belong to the old row, which is there until the new one is."""
    kept = tmp_path / "rows" / "a.test.txt"
    kept.parent.mkdir()
    kept.write_text("old\n")

    def killed(*_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("vq_nat.bench.measure.measure_stages", killed)
    with pytest.raises(KeyboardInterrupt):
        measured("student", beside=tmp_path / "rows" / "a.json")
    assert kept.read_text() == "old\n"


def free_cores(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    """Says how much faster several threads are than one."""
    monkeypatch.setattr("vq_nat.bench.speed.gain_of_threads", lambda threads: gain)


def test_clocks_of_threads_that_find_no_free_core_are_left_out_by_name(
    measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_cores(monkeypatch, 1.0)
    clocks = (Clock(2, 1), Clock(2, 3))
    row = measured("student", clocks=clocks)
    shown = [(clock["batch_size"], clock["threads"]) for clock in row["clocks"]]
    assert shown == [(1, 1), (2, 1)] and row["clocks_left_out"] == ["2:3"]
    free_cores(monkeypatch, 2.9)
    row = measured("student", clocks=clocks)
    assert len(row["clocks"]) == 3 and row["clocks_left_out"] == []


def test_one_sentence_and_one_thread_are_always_timed(
    measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_cores(monkeypatch, 2.9)
    clocks = (Clock(2, 1), Clock(1, 1), Clock(2, 3))
    row = measured("student", threads=2, clocks=clocks)
    shown = [(clock["batch_size"], clock["threads"]) for clock in row["clocks"]]
    assert shown == [(1, 2), (1, 1), (2, 1), (2, 3)]
    assert row["latency_ms"]["median"] == pytest.approx(
        row["clocks"][0]["ms_per_sentence"]["median"], abs=1e-3
    )
    assert {(1, 2), (1, 1), (2, 1), (2, 3)} <= set(measured.echo.calls)


def test_what_needs_references_gets_them(measured: Any) -> None:
    row = measured("student", decoding={"true_codes": True})
    assert row["other_test_sets"]["other"]["chrf"] == 100.0  # an echo of references
    assert row["decoding"] == {"true_codes": True}
    assert measured.options["true_codes"] is True


def test_conditions_survive_a_file() -> None:
    row = describe_conditions(replace(CONDITIONS, clocks=(Clock(8, 1),)))
    assert json.loads(json.dumps(row)) == row


def test_a_row_tells_no_path(measured: Any, tmp_path: Path) -> None:
    row = measured("student", decoding={"teacher": tmp_path / "t", "candidates": 4})
    assert row["decoding"] == {"teacher": True, "candidates": 4}
    assert str(tmp_path) not in json.dumps(row)


def test_sentences_are_spread_over_the_test_set() -> None:
    items = [str(number) for number in range(10)]
    assert spread(items, 5) == ["0", "2", "4", "6", "8"]
    assert spread(items, 99) == items


def test_autocast_is_part_of_the_type() -> None:
    assert describe_dtype(torch.float32, "none") == "float32"
    assert describe_dtype(torch.float32, "bfloat16") == "float32, autocast bfloat16"


# ------------------------------------------------------------------------------ commit


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a repository with one commit."""
    folder = tmp_path / "vq_nat"
    folder.mkdir()
    (folder / "a.py").write_text("a = 1\n")
    (tmp_path / "README.md").write_text("first\n")
    results = tmp_path / "examples" / "results"
    results.mkdir(parents=True)
    (results / "row.json").write_text("{}")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)
    return folder


def test_a_clean_tree_has_a_plain_commit(package: Path) -> None:
    assert len(commit(package)) == 12


def test_changed_code_is_dirty(package: Path) -> None:
    clean = commit(package)
    (package / "a.py").write_text("a = 2\n")
    assert commit(package) == f"{clean}-dirty"


def test_text_and_results_are_not_code(package: Path) -> None:
    clean = commit(package)
    (package.parent / "README.md").write_text("second\n")
    (package.parent / "examples" / "results" / "row.json").write_text("[]")
    assert commit(package) == clean


def test_another_repository_around_the_package_says_nothing(package: Path) -> None:
    """An installed package may lie inside the user's own repository."""
    inner = package / "site-packages" / "vq_nat"
    inner.mkdir(parents=True)
    assert commit(inner) == "unknown"
