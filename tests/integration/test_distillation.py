"""The real distill.py on a tiny teacher that fairseq-train has made."""

import json
import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest
from warm_python import warm_python

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "data_prep"
PRESET = """
arch: transformer
encoder-layers: 2
decoder-layers: 2
encoder-embed-dim: 32
decoder-embed-dim: 32
encoder-ffn-embed-dim: 64
decoder-ffn-embed-dim: 64
encoder-attention-heads: 4
decoder-attention-heads: 4
encoder-normalize-before: true
decoder-normalize-before: true
share-all-embeddings: true
criterion: label_smoothed_cross_entropy
optimizer: adam
clip-norm: 1.0
lr: 0.01
max-update: 80
max-tokens: 500
batch-tokens: 500
disable-validation: true
save-interval-updates: 10
keep-interval-updates: 2
no-epoch-checkpoints: true
average: 2
"""
SIZES = ["--train", "150", "--valid", "6", "--test", "6"]


def script(name: str, *arguments: object) -> list[str]:
    return [warm_python(), str(SCRIPTS / name), *map(str, arguments)]


def environment() -> dict[str, str]:
    """A machine of two threads that is no part of a cluster."""
    skipped = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_ARRAY_TASK_ID")
    env = {k: v for k, v in os.environ.items() if k not in skipped}
    return env | {"OMP_NUM_THREADS": "2"}


def run_checked(command: list[str]) -> None:
    env = environment() | {"PYTHON": warm_python()}
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared corpus and a teacher of a few updates."""
    work = tmp_path_factory.mktemp("distillation")
    corpus = work / "corpus"
    langs = ("--source-lang", "en", "--target-lang", "de")
    for command in (
        script("demo_corpus.py", "--out", corpus, *SIZES),
        script(
            "prepare.py",
            *("--raw", corpus / "raw", "--out", corpus, *langs),
            *("--bpe-operations", 100, "--workers", 1),
        ),
    ):
        run_checked(command)
    (work / "tiny.yaml").write_text(PRESET)
    command = ["bash", str(SCRIPTS / "train_teacher.sh"), "--data", str(corpus)]
    command += ["--preset", str(work / "tiny.yaml"), "--out", str(work / "teacher")]
    extra = ["--gpus", "0", "--", "--cpu", "--num-workers", "0"]
    run_checked([*command, *extra])
    return work


def distill(work: Path, name: str, *options: object) -> list[str]:
    """The command line of a distillation into a folder of its own."""
    teacher = work / "teacher" / "teacher.pt"
    files = ("--teacher", teacher, "--data", work / "corpus", "--out", work / name)
    sizes = ("--beam", 2, "--chunk-lines", 15, "--max-tokens", 200, "--device", "cpu")
    return script("distill.py", *files, *sizes, *options)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=900
    )


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder except what is hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.fixture(scope="module")
def whole(work: Path) -> dict[str, bytes]:
    """What one undisturbed worker makes."""
    result = run(distill(work, "whole", "--workers", 1))
    assert result.returncode == 0, result.stderr
    return files(work / "whole")


def test_the_manifest_tells_where_the_corpus_comes_from(
    whole: dict[str, bytes],
) -> None:
    manifest = json.loads(whole["manifest.json"])
    assert manifest["counts"]["pairs"]["sources train"] == 150
    scores = manifest["teacher"]["bleu"]
    assert set(scores) == {"valid", "test"}
    for split in scores.values():
        assert set(split) == {"beam 2", "greedy"}
        assert all("version:" in one["signature"] for one in split.values())
    assert set(manifest["files"]) == set(whole) - {"manifest.json"}
    assert "fairseq-fixed" in manifest["made_with"]


def test_two_workers_killed_at_a_random_time_make_the_same_corpus(
    work: Path, whole: dict[str, bytes]
) -> None:
    """Kill -9 takes the workers along; what they had finished is not done again."""
    command = distill(work, "killed", "--workers", 2)
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list(work.glob("killed/.shards/*/chunk-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(random.random() / 4)
    process.kill()
    process.wait()
    result = run(command)
    assert result.returncode == 0, result.stderr
    assert "sentences are done already, going on" in result.stderr
    assert files(work / "killed") == whole


def test_ctranslate2_agrees(work: Path, whole: dict[str, bytes]) -> None:
    pytest.importorskip("ctranslate2")
    options = ("--backend", "ctranslate2", "--workers", 1, "--no-evaluation")
    result = run(distill(work, "other", *options))
    assert result.returncode == 0, result.stderr
    assert "sentences are the same, BLEU against each other" in result.stderr
    rows = [
        [json.loads(line)[0][1] for line in text.decode().splitlines()]
        for text in (
            whole["teacher/train.jsonl"],
            (work / "other/teacher/train.jsonl").read_bytes(),
        )
    ]
    assert len(rows[0]) == len(rows[1]) == 150
    assert not list((work / "other").rglob("ctranslate2-*"))


def test_the_corpus_is_verified(work: Path, whole: dict[str, bytes]) -> None:
    """This teacher has seen too little to tell every pair, but most of them."""
    assert whole
    teacher = work / "teacher" / "teacher.pt"
    files = ("--data", work / "corpus", "--teacher", teacher)
    result = run(script("verify.py", work / "whole", *files))
    assert result.stderr.count(": ok") >= 5, result.stderr
    losses = re.search(r"pairs: ([\d.]+) aligned, ([\d.]+) shuffled", result.stderr)
    assert losses and 0 < float(losses[1]) < float(losses[2])


def test_a_finished_teacher_is_reused(work: Path) -> None:
    command = ["bash", str(SCRIPTS / "train_teacher.sh")]
    command += ["--data", str(work / "corpus"), "--preset", str(work / "tiny.yaml")]
    command += ["--out", str(work / "teacher"), "--gpus", "0"]
    extra = ["--", "--cpu", "--num-workers", "0"]
    env = environment() | {"PYTHON": warm_python()}
    again = subprocess.run([*command, *extra], env=env, capture_output=True, text=True)
    assert again.returncode == 0 and "trained: already done" in again.stderr
    other = subprocess.run(command, env=env, capture_output=True, text=True)
    assert other.returncode == 1
    assert "holds a training with other options" in other.stderr


def test_what_is_no_teacher_is_refused(work: Path, tmp_path: Path) -> None:
    (work / "none.pt").write_bytes(b"not a checkpoint")
    command = distill(work, "refused", "--workers", 1)
    command[command.index("--teacher") + 1] = str(work / "none.pt")
    result = run(command)
    assert result.returncode == 1
    assert "none.pt must be a fairseq checkpoint, but cannot be read" in result.stderr
    assert "weights_only" not in result.stderr  # as torch advises
    assert "Traceback" not in result.stderr
    assert files(work / "refused") == {}


def test_decoders_are_compared_on_the_same_sentences(work: Path) -> None:
    command = [warm_python(), str(ROOT / "examples" / "bench_distill.py")]
    command += ["--teacher", str(work / "teacher" / "teacher.pt")]
    command += ["--data", str(work / "corpus"), "--name", "tiny", "--split", "test"]
    command += ["--sentences", "4", "--threads", "1", "--out", str(work / "rows")]
    run_checked(command)
    text = (work / "rows" / "tiny.jsonl").read_text()
    rows = {row["system"]: row for row in map(json.loads, text.splitlines())}
    assert rows["fairseq-generate"]["same_as_fairseq"] == 1
    assert rows["distill.py, float32"]["same_as_fairseq"] == 1
    assert rows["distill.py, CTranslate2 float32"]["sentences"] == 4
    assert all(row["sentences_per_s"] > 0 for row in rows.values())
    table = (work / "rows" / "tiny.md").read_text()
    assert "| fairseq-generate |" in table and "| 1.00× | 100" in table
