"""Owns "what is finished stays finished": stamps, whole outputs, locks, one sentence.

A piece of work has a recipe (its options, and hashes of its inputs) and an output, a
file or a folder. Its stamp, written last, names the recipe and the hashes of what came
out. Work whose stamp still fits is not repeated; what was made by another recipe is
stale. In a `Workspace` work is done in steps that make a folder each: under a temporary
name, renamed when it is complete; a step that is redone redoes all later ones.
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
from typing import Any

from vq_nat.files import BadFile, sha256
from vq_nat.writing import json_or_none, write_json

STAMP_VERSION = 1  # raise when a step's output changes for the same input
LOCK_PATIENCE = 10.0  # seconds; the workers of a killed run take a moment to end
FINISHED, STALE, MISSING = "finished", "stale", "missing"
Recipe = Mapping[str, Any]


class UserError(Exception):
    """A problem for the user to solve; its text is one complete sentence."""


# ------------------------------------------------------------------------------- stamps


def hash_folder(folder: Path) -> dict[str, str]:
    """Returns the hash of every file below `folder`, by relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def hash_output(output: Path) -> dict[str, str]:
    """Returns the hashes of a file or of a folder's files, by name."""
    return hash_folder(output) if output.is_dir() else {output.name: sha256(output)}


def hash_of(value: Any) -> str:
    """Returns the hash of what JSON can say, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def compare(known: Any, wanted: Any) -> str:
    """Returns what there is, by what is known of it (None: nothing) and is wanted."""
    if known is None:
        return MISSING
    return FINISHED if known == wanted else STALE


def state_of(stamp: Path, recipe: Recipe, output: Path) -> str:
    """Tells whether an output is finished, missing, or of another recipe or changed."""
    known = json_or_none(stamp)
    if not output.exists() or not isinstance(known, dict):
        return MISSING
    wanted = json.loads(json.dumps({**recipe}))  # as it will be read back
    return compare(known, {**wanted, "outputs": hash_output(output)})


def mark(stamp: Path, recipe: Recipe, output: Path) -> None:
    """Stamps a finished output."""
    write_json({**recipe, "outputs": hash_output(output)}, stamp)


def once(stamp: Path, recipe: Recipe, output: Path, make: Callable[[], object]) -> bool:
    """Makes an output unless a stamp says that it is there; return whether it was."""
    if state_of(stamp, recipe, output) == FINISHED:
        return False
    stamp.unlink(missing_ok=True)
    make()
    mark(stamp, recipe, output)
    return True


@contextlib.contextmanager
def locked(
    folder: Path, sentence: str, patience: float = 0.0, name: str = ".lock"
) -> Iterator[None]:
    """Lets one process at a time work in a folder.

    Args:
        folder: where; it is made if need be.
        sentence: the error if another one does.
        patience: seconds to wait for it.
        name: of the file that is locked.

    Raises:
        UserError: with the sentence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with open(folder / name, "a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UserError(sentence) from None
                time.sleep(0.1)
        yield


# -------------------------------------------------------------------------------- steps


class Workspace:
    """The output folder of one preparation, entered by one process at a time.

    Example::

        with Workspace(out) as work:
            work.step("tok", inputs={"train.en": path}, options={}, make=tokenise)

    Args:
        out: the folder.
        patience: seconds to wait for another process (None: `LOCK_PATIENCE`).
        dry_run: only say what there is to do.
    """

    def __init__(
        self, out: Path, patience: float | None = None, dry_run: bool = False
    ) -> None:
        self.out, self.patience, self.dry_run = out, patience, dry_run
        self.stamps = out / ".done"
        self._redo_rest = False
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Workspace":
        """Creates the folder, lock it and clear what a killed run left behind."""
        if self.dry_run:
            return self
        patience = LOCK_PATIENCE if self.patience is None else self.patience
        sentence = f"Another run is writing to {self.out}; wait for its end."
        self._open.enter_context(locked(self.stamps, sentence, patience, "lock"))
        self._remove_leftovers()
        return self

    def __exit__(self, *error: object) -> None:
        """Releases the lock; drop unfinished output, which also frees the disk."""
        if not self.dry_run:
            with contextlib.suppress(OSError):
                self._remove_leftovers()
        self._open.close()

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
        """Makes the folder `out/name` unless a valid stamp says it is there.

        Args:
            name: name of the step, of its folder and of its stamp.
            inputs: files the result depends on, each under a name of its own that
                does not change when folders are moved.
            options: JSON-able settings the result depends on, in a dict.
            make: called with an empty temporary folder, which it fills.

        Returns:
            Whether the step was run (False: the finished folder was reused).
        """
        if self.dry_run and not all(path.is_file() for path in inputs.values()):
            self._redo_rest = True  # an earlier step makes them
            recipe: Recipe = {}
        else:
            hashes = {key: sha256(path) for key, path in inputs.items()}
            recipe = {"version": STAMP_VERSION, "options": options, "inputs": hashes}
        stamp, final = self.stamps / f"{name}.json", self.out / name
        state = state_of(stamp, recipe, final)
        if state == FINISHED and self._redo_rest:
            state = STALE
        if state == FINISHED:
            tell(f"{name}: already done, reused")
            return False
        self._redo_rest = True
        if self.dry_run:
            tell(f"{name}: {state}, to be made{' anew' * (state == STALE)}")
            return False
        if state == STALE:
            tell(f"{name}: stale, made anew")
        try:
            self._make(final, stamp, recipe, make)
        except OSError as error:
            # A failed write does not know its file; a reader of the message needs one.
            error.filename = error.filename or str(final)
            raise
        return True

    def _make(
        self, final: Path, stamp: Path, recipe: Recipe, make: Callable[[Path], None]
    ) -> None:
        """Makes a folder and swap it in. Killed in between, no stamp is left."""
        name = f".tmp-{final.name}-{os.getpid()}-{time.time_ns()}"
        temporary = self.out / name
        temporary.mkdir()
        make(temporary)
        stamp.unlink(missing_ok=True)
        if final.exists():
            os.rename(final, temporary.with_name(f"{name}-old"))
        os.rename(temporary, final)
        mark(stamp, recipe, final)


# ------------------------------------------------------------------------------- errors


def tell(message: str) -> None:
    """Tells the user one line about the progress."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turns the errors a user can mend into one sentence and exit status 1."""
    with exit_on_termination():
        try:
            yield
        except (UserError, BadFile) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            tell("stopped; run the same command again to continue")
            sys.exit(130)
        except OSError as error:
            sys.exit(f"error: {describe_os_error(error)}")


@contextlib.contextmanager
def exit_on_termination() -> Iterator[None]:
    """Lets SIGTERM end the block by an exception, so that it can clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def describe_os_error(error: OSError) -> str:
    """Returns a sentence for a failed file operation."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" (writing {error.filename})" if error.filename else ""
        return (
            f"The disk is full{where}; make room and run the same command again: "
            "finished steps are kept."
        )
    where = f" on {error.filename}" if error.filename else ""
    reason = str(error.strerror or error).rstrip(".")
    return f"A file operation failed{where}: {reason}."
