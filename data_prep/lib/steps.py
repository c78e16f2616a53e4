"""Owns resumable steps: stamps, all-or-nothing output folders, errors as sentences.

A step reads some files and makes one folder. It writes under a temporary name,
the folder is renamed when it is complete, and only then is the stamp written:
the hashes of everything that went in and came out. A later run reuses a step
whose stamp still fits, and redoes any other step together with all later ones.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

STAMP_VERSION = 1  # raise when a step's output changes for the same input
LOCK_PATIENCE = 10.0  # seconds; the workers of a killed run take a moment to end


class PrepError(Exception):
    """A problem for the user to solve; its text is one complete sentence."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_folder(folder: Path) -> dict[str, str]:
    """Return the hash of every file below ``folder``, by relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def write_text_atomically(path: Path, text: str) -> None:
    """Write a small file so that it is never seen half-written."""
    temporary = path.with_name(f".tmp-{path.name}")
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Workspace:
    """The output folder of one preparation, entered by one process at a time.

    Example::

        with Workspace(out) as work:
            work.step("tok", inputs={"train.en": path}, options={}, make=tokenise)
    """

    def __init__(self, out: Path, patience: float | None = None) -> None:
        self.out = out
        self.patience = patience  # seconds to wait for another process
        self.stamps = out / ".done"
        self._redo_rest = False
        self._lock = -1

    def __enter__(self) -> "Workspace":
        """Create the folder, lock it and clear what a killed run left behind."""
        self.stamps.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock(self.stamps / "lock")
        self._remove_leftovers()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock; drop unfinished output, which also frees the disk."""
        with contextlib.suppress(OSError):
            self._remove_leftovers()
        os.close(self._lock)

    def _take_lock(self, path: Path) -> int:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        patience = LOCK_PATIENCE if self.patience is None else self.patience
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
            os.close(lock)
            raise PrepError(f"Another run is writing to {self.out}; wait for its end.")

    def _remove_leftovers(self) -> None:
        for path in (*self.out.glob(".tmp-*"), *self.stamps.glob(".tmp-*")):
            if path.is_dir():
                # What a killed run started may still be writing for a moment: its
                # folder has a name of its own, and goes with the next run.
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def step(
        self,
        name: str,
        inputs: Mapping[str, Path],
        options: dict[str, Any],
        make: Callable[[Path], None],
    ) -> bool:
        """Make the folder ``out/name`` unless a valid stamp says it is there.

        Args:
            name: Name of the step, of its folder and of its stamp.
            inputs: Files the result depends on, each under a name of its own that
                does not change when folders are moved.
            options: JSON-able settings the result depends on, in a dict.
            make: Called with an empty temporary folder, which it fills.

        Returns:
            Whether the step was run (False: the finished folder was reused).
        """
        stamp = {
            "version": STAMP_VERSION,
            "options": json.loads(json.dumps(options)),  # as it will be read back
            "inputs": {key: sha256(path) for key, path in inputs.items()},
        }
        final = self.out / name
        if not self._redo_rest and self._is_done(name, stamp, final):
            report(f"{name}: already done, reused")
            return False
        self._redo_rest = True
        temporary = self.out / f".tmp-{name}-{os.getpid()}-{time.time_ns()}"
        temporary.mkdir()
        try:
            make(temporary)
            self._publish(temporary, final, name, stamp)
        except OSError as error:
            # A failed write does not know its file; a reader of the message needs one.
            error.filename = error.filename or str(final)
            raise
        return True

    def _is_done(self, name: str, stamp: dict[str, Any], final: Path) -> bool:
        try:
            old = json.loads((self.stamps / f"{name}.json").read_text("utf-8"))
            outputs = old.pop("outputs")
        except (OSError, ValueError, KeyError, AttributeError):
            return False
        return old == stamp and outputs == hash_folder(final)

    def _publish(
        self, temporary: Path, final: Path, name: str, stamp: dict[str, Any]
    ) -> None:
        """Swap the finished folder in. Killed in between, no stamp is left."""
        path = self.stamps / f"{name}.json"
        path.unlink(missing_ok=True)
        if final.exists():
            os.rename(final, temporary.with_name(f"{temporary.name}-old"))
        os.rename(temporary, final)
        stamp = {**stamp, "outputs": hash_folder(final)}
        write_text_atomically(path, json.dumps(stamp, indent=1, sort_keys=True) + "\n")


def report(message: str) -> None:
    """Tell the user one line about the progress."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turn the errors a user can mend into one sentence and exit status 1."""
    with exit_on_termination():
        try:
            yield
        except PrepError as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            report("stopped; run the same command again to continue")
            sys.exit(130)
        except OSError as error:
            sys.exit(f"error: {describe_os_error(error)}")


@contextlib.contextmanager
def exit_on_termination() -> Iterator[None]:
    """Let SIGTERM end the block by an exception, so that it can clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def describe_os_error(error: OSError) -> str:
    """Return a sentence for a failed file operation."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" (writing {error.filename})" if error.filename else ""
        return (
            f"The disk is full{where}; make room and run the same command again: "
            "finished steps are kept."
        )
    where = f" on {error.filename}" if error.filename else ""
    reason = str(error.strerror or error).rstrip(".")
    return f"A file operation failed{where}: {reason}."
