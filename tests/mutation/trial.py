"""Tests in child processes: once on whole code, then on code with a broken line.

The first run tells which test enters which function. So a broken line is shown to the
tests that enter its function, then to the others of their files, which may share what
those have made; and to all the rest only where that is asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import pytest

from .change import ROOT, Mutation

LEFT_OUT = (".git", "runs", "build", ".venv", "__pycache__", ".*_cache")
MEMORY = 8 * 2**30  # bytes of a child: what grows without end must not take them all
PATIENCE = 60.0  # seconds a run may take beyond three times those of all tests


class Reach(NamedTuple):
    """What tests do on whole code."""

    seconds: float  # of all tests
    times: dict[str, float]  # of each test, in the order they ran
    doors: dict[str, list[tuple[str, int]]]  # functions that each test enters

    def of(self, mutation: Mutation) -> list[str]:
        """Returns the tests that enter a broken function; quick files come first.

        A line outside functions is read by all; those that enter its file come first.
        """

        def enters(test: str) -> bool:
            return any(
                file == mutation.file and line == (mutation.door or line)
                for file, line in self.doors[test]
            )

        entering = [test for test in self.times if enters(test)]
        files: dict[str, float] = {}
        for test in entering:
            file = test.split("::")[0]
            files[file] = files.get(file, 0.0) + self.times[test]
        return sorted(entering, key=lambda test: files[test.split("::")[0]])


class Watcher:
    """A plugin that notes how long each test takes and which functions it enters."""

    def __init__(self, root: Path) -> None:
        self.root = f"{root}{os.sep}"
        self.times: dict[str, float] = {}
        self.doors: dict[str, list[tuple[str, int]]] = {}
        self.entered: set[CodeType] = set()

    def look(self, frame: FrameType, event: str, _: object) -> None:
        """Notes a function that is entered."""
        if event == "call":
            self.entered.add(frame.f_code)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Looks on while a test runs."""
        self.entered.clear()
        start = time.monotonic()
        threading.setprofile(self.look)
        sys.setprofile(self.look)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self.times[item.nodeid] = time.monotonic() - start
            self.doors[item.nodeid] = [
                (code.co_filename.removeprefix(self.root), code.co_firstlineno)
                for code in self.entered
                if code.co_filename.startswith(self.root)
            ]


class First:
    """A plugin that runs some tests before all others, and names who fails.

    Args:
        tests: in their order.
        left_out: do not run these.
    """

    def __init__(self, tests: list[str], left_out: Iterable[str] = ()) -> None:
        self.places = {test: place for place, test in enumerate(tests)}
        self.left_out = set(left_out)
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Puts what is to run in its order."""
        items[:] = [item for item in items if item.nodeid not in self.left_out]
        items.sort(key=lambda item: self.places.get(item.nodeid, len(self.places)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remembers the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Outcome(NamedTuple):
    """What became of a run."""

    code: int  # pytest's, or -1 where it did not end
    told: Any  # what the plugin had to say

    @property
    def noticed(self) -> bool:
        """Whether something failed: all passed is no failure, and nor is no test."""
        return self.code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class Trial:
    """A copy of the repository in which lines can be broken.

    Args:
        place: an empty folder.
        tests: folders or files of tests.
    """

    def __init__(self, place: Path, tests: list[str]) -> None:
        self.copy, self.place, self.tests = place / "copy", place, tests
        shutil.copytree(ROOT, self.copy, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def fingerprint(self) -> str:
        """Returns a hash of all code and of what is tested by what."""
        digest = hashlib.sha256("\n".join(self.tests).encode())
        for path in sorted(self.copy.rglob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def reach(self) -> Reach:
        """Runs all tests on whole code.

        Raises:
            ValueError: if one fails, for then a failure would tell nothing.
        """
        watcher, start = Watcher(self.copy), time.monotonic()
        outcome = self.run(self.tests, watcher, None)
        if outcome.code != 0:
            raise ValueError(
                f"the tests in {' '.join(self.tests)} must pass before anything is "
                f"broken, but end with {outcome.code} instead."
            )
        return Reach(time.monotonic() - start, *outcome.told)

    def notice(
        self, mutation: Mutation, reach: Reach, everyone: bool = False
    ) -> str | None:
        """Breaks a line for as long as tests run.

        Args:
            mutation: the broken line.
            reach: what the tests do on whole code.
            everyone: also run the tests of other files than those of the tests that
                enter the broken function; done in any case where it is in none, and
                nothing tells who reads it.

        Returns:
            The test that noticed, "" if none by itself did (an import that fails, a run
            without end), None if all tests passed.
        """
        target = self.copy / mutation.file
        whole = target.read_text(encoding="utf-8")
        near, limit = reach.of(mutation), 3 * reach.seconds + PATIENCE
        files = list(dict.fromkeys(test.split("::")[0] for test in near))
        target.write_text(mutation.source, encoding="utf-8")
        runs = [(files, First(near))] if files else []
        if everyone or not mutation.door and not near:  # a file without functions
            known = (test for test in reach.times if test.split("::")[0] in files)
            runs.append((self.tests, First([], known)))
        try:
            for paths, plugin in runs:
                outcome = self.run(paths, plugin, limit)
                if outcome.noticed:
                    return outcome.told or ""
        finally:
            target.write_text(whole, encoding="utf-8")
        return None

    def run(
        self, paths: list[str], plugin: Watcher | First, limit: float | None
    ) -> Outcome:
        """Runs tests in a child until the first failure."""
        told = self.place / "told.json"
        told.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            self.be_child(paths, plugin, told)
        status = wait(child, limit)
        shutil.rmtree(self.place / "temp", ignore_errors=True)
        words = json.loads(told.read_text(encoding="utf-8")) if told.exists() else None
        return Outcome(os.waitstatus_to_exitcode(status), words)

    def be_child(self, paths: list[str], plugin: Watcher | First, told: Path) -> None:
        """Runs tests in this process, which ends with them."""
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(self.copy)
        sys.path.insert(0, str(self.copy))
        sys.dont_write_bytecode = not isinstance(plugin, Watcher)  # whole code alone
        os.environ["PYTHONPATH"] = str(self.copy)  # of the tests' own children
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        options += [f"--rootdir={self.copy}", f"--basetemp={self.place / 'temp'}"]
        code = int(pytest.main([*options, *paths], plugins=[plugin]))
        words: object = (
            (plugin.times, plugin.doors)
            if isinstance(plugin, Watcher)
            else plugin.failed
        )
        told.write_text(json.dumps(words), encoding="utf-8")
        os._exit(code)


def wait(child: int, limit: float | None) -> int:
    """Waits for a child and ends it with its own children at the limit."""
    end = None if limit is None else time.monotonic() + limit
    while end is not None and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.05)
    if end is not None:
        os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
