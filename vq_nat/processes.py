"""Owns commands that end with the process that started them, whatever ends it.

A killed process cannot tell its children: nothing may go on working, and writing into
folders, behind the user's back. Linux tells a child when its parent is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

PARENT_DEATH = 1  # PR_SET_PDEATHSIG
# Runs a command, and ends it with all that it has started once the parent is gone.
# (`preexec_fn` would do so, too, but must not be used where there are threads.)
WATCH = """
import os, signal, subprocess, sys
from vq_nat.processes import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
end_with_parent()
if os.getppid() != int(sys.argv[1]):
    os.killpg(0, signal.SIGKILL)
status = subprocess.call(sys.argv[2:])
sys.exit(status if status >= 0 else 128 - status)
"""


def end_with_parent() -> None:
    """Asks for SIGTERM when the parent ends; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)


class Ended(KeyboardInterrupt):
    """SIGTERM has come; no `except Exception` stands in its way."""


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Lets SIGTERM end the block as an interrupt does, so that nothing stays behind.

    Only the main thread is told of signals; in others this does nothing.

    Raises:
        Ended: at SIGTERM.
    """

    def end(number: int, _: object) -> None:
        raise Ended

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def command_group(
    command: list[str], **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Starts a command, which is gone with all that it started when the block ends.

    Args:
        command: program and arguments.
        **options: of `subprocess.Popen`.
    """
    watched = [sys.executable, "-c", WATCH, str(os.getpid()), *command]
    process = subprocess.Popen(watched, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_group(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, see `command_group`, and returns what it said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with command_group(command, **pipes, **options) as process:
        out, said = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, said)
