"""Owns how the scripts run other commands: environment, logs, errors.

A command runs on a terminal of its own. So it shows its progress as it would to a
person, and it ends when this process ends, even by `kill -9`: nothing goes on training
behind the user's back.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from data_prep.lib.steps import UserError

# glibc gives every large tensor back to the kernel, which hands it out again page by
# page; keeping the memory makes training on a CPU about 1.3 times as fast.
KEEP_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
# Makes standard output the terminal that a command ends with, then becomes the command.
# (`preexec_fn` would do so, too, but must not be used where there are threads.)
ON_ITS_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
LAST_LINES = 12  # of a log, shown when a command fails


def environment(threads: int, device: str) -> dict[str, str]:
    """Returns the environment of the commands; what the user has set wins."""
    fixed = {"OMP_NUM_THREADS": str(threads), "PYTHONUTF8": "1"}
    if device == "cpu":
        fixed["CUDA_VISIBLE_DEVICES"] = ""
    return {**KEEP_MEMORY, **os.environ, **fixed}


def run_logged(
    command: list[str],
    log: Path,
    env: dict[str, str],
    show: Callable[[str], bool],
) -> None:
    """Runs a command, shows its progress and appends all it says to a log.

    Args:
        command: program and arguments.
        log: file for what the command writes.
        env: its environment.
        show: called with each line; tells whether it was a mere progress bar, which
            the log does not need.

    Raises:
        UserError: if the command fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal, end_of_child = os.openpty()
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {shlex.join(command)}\n")
        with subprocess.Popen(
            [sys.executable, "-c", ON_ITS_TERMINAL, *command],
            stdin=subprocess.DEVNULL,
            stdout=end_of_child,
            stderr=end_of_child,
            env=env,
            start_new_session=True,
        ) as process:
            os.close(end_of_child)
            try:
                for line in lines_from(terminal):
                    if not show(line):
                        file.write(line)
                        file.flush()
            except BaseException:
                process.terminate()
                raise
    if process.returncode != 0:
        raise UserError(describe_failure(command, process.returncode, log))


class Bar(Protocol):
    """Shows the progress of a command."""

    def __call__(self, line: str) -> bool:
        """Takes a line; tells whether it was a mere progress bar."""

    def close(self) -> None:
        """Ends the show."""


def run_with_bar(command: list[str], log: Path, env: dict[str, str], bar: Bar) -> None:
    """Runs a command as `run_logged` does, and closes its bar whatever happens."""
    try:
        run_logged(command, log, env, bar)
    finally:
        bar.close()


def lines_from(terminal: int) -> Iterator[str]:
    """Yields lines, and states of progress bars, until the command closes its end."""
    with (
        open(terminal, encoding="utf-8", errors="replace") as lines,
        contextlib.suppress(OSError),  # how Linux says that the other end is closed
    ):
        yield from lines


def describe_failure(command: list[str], status: int, log: Path) -> str:
    """Returns one sentence and, below it, the end of the log."""
    program = next((a for a in command[1:] if not a.startswith("-")), command[0])
    how = f"status {status}" if status > 0 else f"signal {-status}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = "\n".join(f"    {line}" for line in lines[-LAST_LINES:])
    name = Path(program).name
    return f"{name} failed with {how}; its log is {log} and ends with:\n{tail}"
