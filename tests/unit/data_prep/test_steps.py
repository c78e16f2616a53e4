"""Tests of steps.py: full disks, kills at any moment, two runs at a time."""

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import leftovers, read_folder

from data_prep import prepare
from data_prep.lib import binarise, subwords, text
from data_prep.lib.steps import (
    MISSING,
    STALE,
    UserError,
    Workspace,
    errors_as_sentences,
    once,
    state_of,
)

Run = Callable[..., Path]
STEPS = ("raw", "tok", "bpe", "bin")


@pytest.mark.parametrize("nth", [1, 4, 9, 14])
def test_full_disk_is_a_sentence_and_leaves_no_halves(
    write_raw: Run,
    run_prepare: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
) -> None:
    raw, calls = write_raw(), 0
    whole = read_folder(run_prepare(raw, out=tmp_path / "whole"))
    write = text.write_lines

    def write_until_full(path: Path, lines: object) -> int:
        nonlocal calls
        calls += 1
        if calls == nth:
            path.write_text("half a li")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, lines)

    with monkeypatch.context() as patch:
        for module in (prepare, subwords):
            patch.setattr(module, "write_lines", write_until_full)
        if nth > 12:  # all twelve text files are written: binarising fails

            def fail(*_: object) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            patch.setattr(binarise, "run_fairseq_preprocess", fail)
        with pytest.raises(SystemExit, match=r"^error: The disk is full \(writing \S+"):
            run_prepare(raw)
    out = tmp_path / "out"
    assert leftovers(out) == []
    for name, content in read_folder(out).items():
        assert content == whole[name], name
    assert read_folder(run_prepare(raw)) == whole


def test_kill_at_every_file_operation(
    write_raw: Run, run_prepare: Run, tmp_path: Path
) -> None:
    """Killed at its n-th file operation, for every n, the next run mends it all."""
    raw = write_raw()
    whole = read_folder(run_prepare(raw, out=tmp_path / "whole"))
    events = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")

    def run_until(n: int, out: Path) -> bool:
        """Run in a child that kills itself; return whether it came to its end."""
        child = os.fork()
        if child == 0:
            left = n

            def hook(event: str, arguments: tuple[object, ...]) -> None:
                nonlocal left
                if event in events and str(out) in str(arguments[0]):
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 2)
            run_prepare(raw, out=out)
            os._exit(0)
        return os.waitpid(child, 0)[1] == 0

    out = tmp_path / "out"
    n, finished = 1, False
    while not finished:
        finished = run_until(n, out)  # goes on from where the last one was killed
        for name, content in read_folder(out).items():
            assert content == whole[name], f"{name} after a kill at operation {n}"
        # Growing steps: early kills are dense, and the whole run is soon reached.
        n += 1 + n // 20
    assert n > 50, "the kills must reach the last step"
    assert leftovers(out) == []
    assert read_folder(run_prepare(raw, out=out)) == whole


def test_kill_of_the_real_command_at_random_times(
    write_raw: Run, scripts: Path, tmp_path: Path
) -> None:
    """With real workers and fairseq-preprocess; the result is the same to the byte."""
    lines = {"en": [f"Number {i}." for i in range(2500)]}
    lines["de"] = [f"Die Zahl {i}." for i in range(2500)]
    raw = write_raw(**{f"train_{k}": "\n".join(v) for k, v in lines.items()})

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(scripts / "prepare.py"), "--raw", str(raw)]
        command += ["--out", str(out), "--source-lang", "en", "--target-lang", "de"]
        command += ["--bpe-operations", "50", "--workers", "2"]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    began = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    took = time.monotonic() - began
    chance = random.Random()
    for _ in range(3):
        process = start(tmp_path / "out")
        time.sleep(chance.uniform(0.1, 0.9) * took)
        process.kill()
        process.wait()
    assert start(tmp_path / "out").wait() == 0
    assert read_folder(tmp_path / "out") == read_folder(tmp_path / "whole")
    names = set(read_folder(tmp_path / "out" / "bin"))
    assert {"train.en-de.en.bin", "test.en-de.de.idx", "dict.en.txt"} <= names


def test_termination_cleans_up(write_raw: Run, scripts: Path, tmp_path: Path) -> None:
    raw = write_raw(train_en="A man.\n" * 60_000, train_de="Ein Mann.\n" * 60_000)
    command = [sys.executable, str(scripts / "prepare.py"), "--raw", str(raw)]
    command += ["--out", str(tmp_path / "out"), "--workers", "2"]
    command += ["--source-lang", "en", "--target-lang", "de"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/.tmp-tok*/train.en")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 143
    assert leftovers(tmp_path) == []


def test_interruption_says_how_to_continue(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught, errors_as_sentences():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    message = "stopped; run the same command again to continue\n"
    assert capsys.readouterr().err == message


def test_two_runs_at_a_time_are_refused(
    write_raw: Run, run_prepare: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / ".done").mkdir(parents=True)
    with open(out / ".done" / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match=f"Another run is writing to {out}"):
            run_prepare(write_raw())


def test_a_step_that_fails_keeps_the_finished_result(tmp_path: Path) -> None:
    def make(content: str) -> Callable[[Path], None]:
        return lambda folder: (folder / "file").write_text(content) and None

    def fail(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise UserError("No.")

    with Workspace(tmp_path) as work:
        assert work.step("a", {}, {"n": 1}, make("good"))
    with pytest.raises(UserError), Workspace(tmp_path) as work:
        work.step("a", {}, {"n": 2}, fail)
    assert (tmp_path / "a" / "file").read_text() == "good"
    with Workspace(tmp_path) as work:
        assert not work.step("a", {}, {"n": 1}, fail)


def states(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what a run has said of its steps."""
    return capsys.readouterr().err.splitlines()


def test_a_dry_run_says_what_a_run_would_do_and_does_nothing(
    write_raw: Run, run_prepare: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = write_raw(), tmp_path / "out"
    run_prepare(raw, "--dry-run")
    assert states(capsys) == [f"{n}: missing, to be made" for n in STEPS]
    assert not out.exists()
    run_prepare(raw)
    whole = read_folder(out)
    capsys.readouterr()
    run_prepare(raw, "--dry-run")
    assert states(capsys) == [f"{n}: already done, reused" for n in STEPS]
    run_prepare(raw, "--dry-run", "--max-length", "60")
    assert states(capsys) == [
        *(f"{name}: already done, reused" for name in STEPS[:2]),
        *(f"{name}: stale, to be made anew" for name in STEPS[2:]),
    ]
    assert read_folder(out) == whole
    run_prepare(raw, "--max-length", "60")
    assert states(capsys)[2] == "bpe: stale, made anew"


def test_work_is_done_once_for_each_recipe(tmp_path: Path) -> None:
    stamp, output, made = tmp_path / "stamp.json", tmp_path / "output", []

    def make() -> None:
        made.append(1)
        output.write_text(f"made {len(made)} times")

    recipe = {"options": {"sizes": (1, 2)}, "inputs": {}}
    assert state_of(stamp, recipe, output) == MISSING
    assert once(stamp, recipe, output, make)
    assert not once(stamp, recipe, output, make) and len(made) == 1
    assert state_of(stamp, {**recipe, "inputs": {"a": "b"}}, output) == STALE
    output.write_text("by hand")
    assert state_of(stamp, recipe, output) == STALE
    assert once(stamp, recipe, output, make) and len(made) == 2
    output.unlink()
    assert state_of(stamp, recipe, output) == MISSING


def test_work_that_fails_leaves_no_stamp(tmp_path: Path) -> None:
    stamp, output = tmp_path / "stamp.json", tmp_path / "output"
    once(stamp, {}, output, lambda: output.write_text("whole"))

    def fail() -> None:
        output.write_text("half")
        raise UserError("No.")

    with pytest.raises(UserError):
        once(stamp, {"n": 2}, output, fail)
    assert state_of(stamp, {}, output) == MISSING


def test_other_file_errors_are_sentences() -> None:
    message = r"^error: A file operation failed on /x/y: Permission denied\.$"
    with pytest.raises(SystemExit, match=message), errors_as_sentences():
        raise PermissionError(errno.EACCES, "Permission denied", "/x/y")


def test_an_error_of_our_own_keeps_one_full_stop() -> None:
    message = r"^error: A file operation failed: the file x does not exist\.$"
    with pytest.raises(SystemExit, match=message), errors_as_sentences():
        raise FileNotFoundError("the file x does not exist.")
