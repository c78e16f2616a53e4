"""Tests of distill.py with a stand-in for the teacher."""

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import SIZE, leftovers, lines, read_folder
from stub_teacher import StubTeacher

from data_prep import distill
from data_prep.lib.evaluate import references
from data_prep.lib.plan import CorpusPlan
from data_prep.lib.shards import Shard, find_shard

Run = Callable[..., Path]


def test_training_targets_are_the_teachers(
    run_distill: Run, corpus: Path, teacher: StubTeacher
) -> None:
    out = run_distill()
    human, distilled = read_folder(corpus), read_folder(out)
    sources = lines(corpus / "bpe" / "train.en")
    assert lines(out / "bpe" / "train.en") == sources
    assert lines(out / "bpe" / "train.de") == [teacher.text(s) for s in sources]
    assert lines(out / "bpe" / "train.origin")[4] == "train\t5\t0"
    assert "@@" not in distilled["tok/train.de"].decode()
    for name in human:
        if not name.split("/")[1].startswith("train"):
            assert distilled[name] == human[name], name


def test_second_run_does_not_call_the_teacher(
    run_distill: Run, teacher: StubTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_folder(run_distill())
    teacher.fail_after, teacher.error = 0, AssertionError("called")
    assert read_folder(run_distill()) == before
    assert capsys.readouterr().err.count("already done, reused") == 5


def test_batches_are_of_like_length_and_bounded(
    run_distill: Run, teacher: StubTeacher
) -> None:
    run_distill()
    for batch in teacher.batches:
        lengths = [len(line.split()) + 1 for line in batch]
        assert lengths == sorted(lengths)
        assert len(batch) == 1 or len(batch) * max(lengths) <= 12
    assert sum(map(len, teacher.batches)) == SIZE


# ------------------------------------------------------- shards, kills, other teachers


def test_merged_shards_are_one_run(
    run_distill: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = read_folder(run_distill())
    for shard in ("1", "0"):
        run_distill("--shards", 2, "--shard", shard, name="two")
        assert not (tmp_path / "two" / "bpe").exists()
    assert read_folder(run_distill("--merge", name="two")) == whole
    assert not (tmp_path / "two" / ".shards").exists()
    for rank in ("0", "1", "2"):
        monkeypatch.setenv("WORLD_SIZE", "3")
        monkeypatch.setenv("RANK", rank)
        run_distill(name="three")
    assert read_folder(run_distill("--merge", name="three")) == whole


def test_a_dry_run_of_merging_makes_nothing(run_distill: Run, tmp_path: Path) -> None:
    for shard in (0, 1):
        run_distill("--shards", 2, "--shard", shard)
    before = read_folder(tmp_path / "distilled")
    assert read_folder(run_distill("--merge", "--dry-run")) == before
    assert (tmp_path / "distilled" / ".shards").is_dir()


def test_a_missing_shard_is_not_merged(run_distill: Run, tmp_path: Path) -> None:
    run_distill("--shards", 2, "--shard", 0)
    message = r"lines 7 to 12 of \S+train\.en are missing .*run their shard again"
    with pytest.raises(SystemExit, match=message):
        run_distill("--merge")
    assert read_folder(tmp_path / "distilled") == {}


def test_killed_at_random_points_nothing_is_lost_or_doubled(
    run_distill: Run, tmp_path: Path
) -> None:
    """Kill -9 at ten random file operations in a row, then one run to the end."""
    whole = read_folder(run_distill(name="whole"))
    out = tmp_path / "distilled"
    draw = random.Random()
    seed = draw.randrange(10_000)
    draw.seed(seed)

    def run_and_kill(operations: int) -> None:
        child = os.fork()
        if child == 0:
            left = operations

            def hook(event: str, arguments: tuple[object, ...]) -> None:
                nonlocal left
                if event in ("open", "os.rename", "os.remove", "os.mkdir"):
                    left -= str(out) in str(arguments[0])
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            run_distill()
            os._exit(0)
        os.waitpid(child, 0)
        for name, content in read_folder(out).items():
            assert content == whole[name], f"{name}, seed {seed}"

    for _ in range(10):
        run_and_kill(draw.randrange(5, 90))
    assert read_folder(run_distill()) == whole, f"seed {seed}"
    assert leftovers(out) == []


def test_an_interrupted_run_keeps_its_chunks(
    run_distill: Run, teacher: StubTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = read_folder(run_distill(name="whole"))
    number = len(teacher.batches)
    teacher.batches.clear()
    teacher.fail_after, teacher.error = number - 2, MemoryError()
    with pytest.raises(MemoryError):
        run_distill()
    before = len(teacher.batches)
    teacher.fail_after = None
    assert read_folder(run_distill()) == whole
    assert len(teacher.batches) - before < number // 2
    assert "sentences are done already, going on" in capsys.readouterr().err


def test_a_damaged_chunk_is_decoded_again(run_distill: Run, tmp_path: Path) -> None:
    whole = read_folder(run_distill(name="whole"))
    for shard in (0, 1):
        run_distill("--shards", 2, "--shard", shard)
    chunk = next((tmp_path / "distilled").glob(".shards/*/chunk-000003.jsonl"))
    chunk.write_text(chunk.read_text().replace("-0.5", "-0.4"))
    with pytest.raises(SystemExit, match="lines 19 to 24 of .* are missing"):
        run_distill("--merge")
    assert read_folder(run_distill()) == whole


def test_another_teacher_or_source_is_never_mixed_in(
    run_distill: Run,
    corpus: Path,
    teacher: StubTeacher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_distill("--shards", 2, "--shard", 0)
    (tmp_path / "teacher.pt").write_text("other weights")
    with pytest.raises(SystemExit, match="with another teacher; give all shards the"):
        run_distill("--shards", 2, "--shard", 1)
    with pytest.raises(SystemExit, match="another teacher; nothing is merged"):
        run_distill("--merge")
    teacher.batches.clear()
    run_distill()
    assert "with another teacher; they are not used" in capsys.readouterr().err
    assert sum(map(len, teacher.batches)) == SIZE
    teacher.batches.clear()
    path = corpus / "bpe" / "train.en"
    path.write_text(path.read_text().replace("a", "b"))
    out = run_distill()
    assert sum(map(len, teacher.batches)) == SIZE
    assert lines(out / "bpe" / "train.en") == lines(path)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_ARRAY_TASK_ID": "7"}, "from 0 to 0, but is 7 instead"),
        ({"RANK": "3", "WORLD_SIZE": "3"}, "from 0 to 2, but is 3 instead"),
    ],
)
def test_a_shard_that_is_none_is_refused(
    run_distill: Run,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    message: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=message):
        run_distill()


def test_a_full_disk_names_the_chunk(
    run_distill: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data_prep.lib.shards.os.fsync", full)
    with pytest.raises(SystemExit, match=r"disk is full \(writing \S+/recipe\.json\)"):
        run_distill()
    assert leftovers(tmp_path) == []


# ---------------------------------------------------------------------------- refusals


def test_failing_teacher_leaves_nothing_half_done(
    run_distill: Run, teacher: StubTeacher, tmp_path: Path
) -> None:
    teacher.fail_after = 3
    teacher.error = OSError(28, "No space left on device")
    with pytest.raises(SystemExit, match="^error: The disk is full"):
        run_distill()
    assert read_folder(tmp_path / "distilled") == {}
    assert leftovers(tmp_path) == []


def test_too_long_a_sentence_is_named(run_distill: Run, teacher: StubTeacher) -> None:
    teacher.longest = 6
    message = r"train\.en, line 7: the sentence has 7 subwords, but .* at most 6\."
    with pytest.raises(SystemExit, match=message):
        run_distill()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("bin/dict.de.txt", r"dict\.de\.txt is missing; run prepare\.py first"),
        ("bin/text.json", r"text\.json is missing; run prepare\.py first"),
        ("bpe/bpe.codes", r"bpe\.codes is missing; run prepare\.py first"),
        ("../teacher.pt", r"The teacher's checkpoint, \S+teacher\.pt, is missing"),
    ],
)
def test_missing_files_are_named(
    run_distill: Run, corpus: Path, missing: str, message: str
) -> None:
    (corpus / missing).unlink()
    with pytest.raises(SystemExit, match=message):
        run_distill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--nbest", 5), r"--nbest must be at most --beam \(4\), but is 5 instead"),
        (("--beam", 0), "--beam must be at least 1, but is 0 instead"),
        (("--workers", 0), "--workers must be at least 1, but is 0 instead"),
        (("--mix-human", 2), "--mix-human must be from 0 to 1, but is 2.0 instead"),
        (("--shard", 1), "--shard must go with --shards, but that is missing"),
        (("--shards", 2), "--shards must go with --shard, but that is missing"),
        (("--mono", "nowhere"), "The file nowhere is missing"),
        (("--sample", 0), "--sample must be above 0 and finite, but is 0.0 instead"),
        (("--sample", "nan"), "--sample must be above 0 and finite, but is nan"),
        (("--sample", 1, "--sample-top", 0), "--sample-top must be at least 1, but is"),
        (("--sample-top", 5), "--sample-top must come with --sample, but does not"),
        (("--sample", 1, "--beam", 4), "--beam must come without --sample, but"),
        (("--compute-type", "int8"), "--compute-type must come with --backend ctr"),
        (
            ("--backend", "ctranslate2", "--autocast", "bfloat16"),
            "--autocast bfloat16 must come with --backend fairseq, but does not",
        ),
        (
            ("--dry-run", "--shards", 2, "--shard", 1),
            "--dry-run must be of a run that does all, or of --merge, but is of shard",
        ),
    ],
)
def test_bad_options_are_refused(
    run_distill: Run, options: tuple[object, ...], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        run_distill(*options)


def test_the_evaluation_has_all_references_of_its_own_direction(tmp_path: Path) -> None:
    (tmp_path / "test.refs.json").write_text('[["eins", "ein"], ["zwei"]]')
    (tmp_path / "test.en").write_text("one\ntwo\n")
    (tmp_path / "test.de").write_text("eins\nzwei\n")
    there, back = (
        references(CorpusPlan(tmp_path, tmp_path, *langs), "test")
        for langs in (("en", "de"), ("de", "en"))
    )
    assert there == [["eins", "zwei"], ["ein", None]] and back == [["one", "two"]]


def test_separate_dictionaries_are_refused(run_distill: Run, corpus: Path) -> None:
    (corpus / "bin" / "dict.en.txt").write_text("b 2\n")
    with pytest.raises(SystemExit, match="must be one joint dictionary, but differ"):
        run_distill()


def test_corpus_must_not_overwrite_itself(corpus: Path, tmp_path: Path) -> None:
    arguments = ["--teacher", str(tmp_path / "teacher.pt"), "--data", str(corpus)]
    with pytest.raises(SystemExit, match="--out must not be the folder of --data"):
        distill.main([*arguments, "--out", str(corpus / ".." / corpus.name)])


def test_without_ctranslate2_its_installation_is_named(
    run_distill: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    message = r"needs the package ctranslate2; install it with `pip install -e \.\["
    with pytest.raises(SystemExit, match=message):
        run_distill("--backend", "ctranslate2")


@pytest.mark.parametrize(
    ("count", "index", "environment", "expected"),
    [
        (None, None, {}, None),
        (None, None, {"WORLD_SIZE": "1", "RANK": "0"}, None),
        (3, 2, {"RANK": "0", "WORLD_SIZE": "9"}, Shard(2, 3)),
        (None, None, {"RANK": "1", "WORLD_SIZE": "4"}, Shard(1, 4)),
        (5, None, {"SLURM_ARRAY_TASK_ID": "4"}, Shard(4, 5)),
        (
            None,
            None,
            {
                "SLURM_ARRAY_TASK_ID": "12",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "10",
            },
            Shard(2, 4),
        ),
        (
            None,
            None,
            {
                "SLURM_ARRAY_TASK_ID": "5",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            Shard(2, 3),
        ),
    ],
)
def test_the_shard_is_named_by_options_or_by_the_cluster(
    count: int | None,
    index: int | None,
    environment: dict[str, str],
    expected: Shard | None,
) -> None:
    assert find_shard(count, index, environment) == expected
