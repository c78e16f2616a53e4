"""Owns how quickstart.py runs other commands: logs, progress bars, stamps, errors.

A command runs on a terminal of its own. So it shows its progress as it would to a
person, and it ends when this process ends, even by `kill -9`: nothing goes on training
behind the user's back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from steps import PrepError, sha256, write_text_atomically
from tqdm import tqdm

from vq_nat.bench.training_log import read_entry

# glibc gives every large tensor back to the kernel, which hands it out again page by
# page; keeping the memory makes training on a CPU about 1.3 times as fast.
KEEP_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
LAST_LINES = 12  # of a log, shown when a command fails
BAR = re.compile(r"(?:(\S+):)?\s*\d+%\|[^|]*\| (\d+)/(\d+) ")

tqdm.monitor_interval = 0  # no thread of tqdm's own while children are started


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
        PrepError: if the command fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal, end_of_child = os.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(end_of_child, termios.TIOCSCTTY, 0)

    with open(log, "a", encoding="utf-8") as file:
        file.write(f"$ {shlex.join(command)}\n")
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=end_of_child,
            stderr=end_of_child,
            env=env,
            start_new_session=True,
            preexec_fn=own_terminal,
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
        raise PrepError(describe_failure(command, process.returncode, log))


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


# ----------------------------------------------------------------------- progress bars


def new_bar(total: int, unit: str, name: str = "", leave: bool = False) -> tqdm:
    """Makes a progress bar that does not flood a log file."""
    return tqdm(
        total=total,
        desc=f"      {name}".rstrip(),
        unit=unit,
        leave=leave,
        mininterval=0.5 if sys.stderr.isatty() else 30,
        miniters=1,  # a resumed training jumps ahead once, and must not wait as long
    )


class TrainingBar:
    """Shows the JSON lines of fairseq-train: updates, loss and BLEU.

    Args:
        updates: the training's last.
    """

    def __init__(self, updates: int) -> None:
        self.bar = new_bar(updates, " updates", leave=True)
        self.figures: dict[str, str] = {}

    def __call__(self, line: str) -> bool:
        entry = read_entry(line)
        if entry is None or entry.kind == "train":
            return False
        names = {"loss": "loss"} if entry.kind == "train_inner" else VALIDATION
        for key, name in names.items():
            if key in entry.values:
                self.figures[name] = f"{entry.values[key]:.2f}"
        self.bar.set_postfix(self.figures, refresh=False)
        done = int(entry.values.get("num_updates", self.bar.n))
        self.bar.update(max(0, done - self.bar.n))
        return False

    def close(self) -> None:
        """Leaves the last state on the screen."""
        self.bar.refresh()
        self.bar.close()


VALIDATION = {"bleu": "valid BLEU", "bleu_true_codes": "with true codes"}


class ForwardedBar:
    """Shows the progress bars that a command of data_prep draws."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.shown: tuple[str, int] | None = None

    def __call__(self, line: str) -> bool:
        found = BAR.search(line)
        if found is None:
            return False
        name, done, total = found[1] or "", int(found[2]), int(found[3])
        if self.bar is None or self.shown != (name, total):
            self.close()
            self.bar, self.shown = new_bar(total, "", name), (name, total)
        self.bar.update(max(0, done - self.bar.n))
        return True

    def close(self) -> None:
        """Removes the bar from the screen."""
        if self.bar is not None:
            self.bar.close()


# ------------------------------------------------------------------- stamps and a lock


@contextlib.contextmanager
def locked(folder: Path, program: str) -> Iterator[None]:
    """Lets one process at a time work in a folder.

    Args:
        folder: where.
        program: what works there, as a noun.

    Raises:
        PrepError: if another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PrepError(
                f"Another {program} is working in {folder}; wait for its end or give "
                "this one another folder with --work."
            ) from None
        yield


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds, None if there is no such or it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def is_done(stamp: Path, recipe: dict[str, Any], output: Path) -> bool:
    """Tells whether a step's stamp names this recipe and this very output."""
    if not output.is_file():
        return False
    return read_json(stamp) == {"recipe": recipe, "output": sha256(output)}


def mark_done(stamp: Path, recipe: dict[str, Any], output: Path) -> None:
    """Stamps a finished step."""
    write_json(stamp, {"recipe": recipe, "output": sha256(output)})
