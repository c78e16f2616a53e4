"""Tests that commands end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vq_nat.processes import command_group, run_group

# A command that starts another one, and says who both are.
FAMILY = (
    "import os, subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print(os.getpid(), child.pid, flush=True); child.wait()"
)
PARENT = f"""
import signal, sys, time
from vq_nat.processes import command_group
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
with command_group([sys.executable, "-c", {FAMILY!r}]):
    time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Tells whether a process runs, and is not merely waited for."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False


def gone(pids: list[int], patience: float = 10.0) -> bool:
    """Waits until processes have ended."""
    deadline = time.monotonic() + patience
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_a_block_that_sigterm_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path; "
        "from vq_nat.files import new_folder; "
        "from vq_nat.processes import ended_in_order\n"
        "with ended_in_order(), new_folder(Path('out')):\n"
        "    print('in', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None and child.stdout.readline() == b"in\n"
    child.terminate()
    assert child.wait(timeout=30) != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_its_parent(how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    os.kill(parent.pid, how)
    try:
        parent.wait(timeout=30)  # far less than any of them sleeps
    finally:
        parent.kill()
        parent.stdout.close()
    assert gone(pids)


def test_an_error_ends_the_command_and_its_children() -> None:
    with (
        pytest.raises(ValueError, match="of ours"),
        command_group(
            [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        with process.stdout:
            pids = [int(pid) for pid in process.stdout.readline().split()]
        raise ValueError("of ours")
    assert gone(pids)


def test_a_command_says_how_it_ended() -> None:
    code = "import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"
    ended = run_group([sys.executable, "-c", code])
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "a\n", "b\n")
    killed = run_group([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert killed.returncode == 128 + 9
