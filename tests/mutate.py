"""Breaks single lines on purpose and tells which ones no test notices.

    python tests/mutate.py vq_nat/bottleneck tests/unit/bottleneck --count 20 --seed 1
    python tests/mutate.py --named             the lines of tests/mutation/named.json
    python tests/mutate.py --again bottleneck  its survivors once more (on TESTS)
    python tests/mutate.py --table             of tests/mutation/rows, into the README

Of all small changes of meaning that the files below FOLDER allow (another comparison,
another operation, another number, a condition turned round, a statement left out), it
draws some, one at a time, into a copy of the package, and runs TESTS on it until the
first failure: those that enter the broken function, which one run of all tests has
told, then the others of their files; with `--everyone` then all others, which may run
the line in a process of their own. A survivor is a change that all of them passed. With
`--keep` the outcome becomes the row of a room. This takes minutes, so it is no part of
`tests/run.sh`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mutation import rows
from mutation.change import ROOT, Mutation, broken, places, replaced
from mutation.trial import Reach, Trial

NAMED = ROOT / "tests" / "mutation" / "named.json"


class Trials(NamedTuple):
    """A copy, what the tests do on it while it is whole, and whether all are asked."""

    trial: Trial
    reach: Reach
    everyone: bool

    def attempt(self, mutation: Mutation, name: str = "") -> rows.Tried:
        """Tries one broken line and says what came of it."""
        start = time.monotonic()
        by = self.trial.notice(mutation, self.reach, self.everyone)
        word = "SURVIVED" if by is None else "noticed "
        seconds = time.monotonic() - start
        print(f"{word} {seconds:4.0f} s {name}{mutation}  [{by or ''}]", flush=True)
        return rows.tried(mutation, by)


@contextmanager
def trials_of(tests: list[str], options: argparse.Namespace) -> Iterator[Trials]:
    """Makes a copy and runs the tests on it once, or reads what such a run told."""
    import fairseq  # noqa: F401  once for all children, as torch is

    with tempfile.TemporaryDirectory() as place:
        trial = Trial(Path(place), tests)
        reach = reach_of(trial, options.reach)
        print(f"{len(reach.times)} tests in {reach.seconds:.0f} s", flush=True)
        yield Trials(trial, reach, options.everyone)


def reach_of(trial: Trial, kept: Path | None) -> Reach:
    """Runs the tests on whole code, or reads what a run of the same code has told."""
    code = trial.fingerprint()
    if kept and kept.is_file():
        before, *told = json.loads(kept.read_text(encoding="utf-8"))
        if before == code:
            return Reach(*told)
    reach = trial.reach()
    if kept:
        kept.write_text(json.dumps([code, *reach]), encoding="utf-8")
    return reach


def python_files(folder: str) -> list[Path]:
    """Returns the files of a folder, or a single file."""
    path = ROOT / folder
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def draw(folder: str, count: int, seed: int) -> list[Mutation]:
    """Draws changes among all that a folder allows."""
    every = [one for path in python_files(folder) for one in places(path)]
    drawn = random.Random(seed).sample(every, min(count, len(every)))
    return [broken(place) for place in drawn]


def commit() -> str:
    """Returns what is checked out; a + says that there is more than that."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True)
    changed = subprocess.check_output([*git, "status", "--porcelain"], text=True)
    return head.strip() + ("+" if changed else "")


def room(options: argparse.Namespace) -> None:
    """Draws in a room."""
    drawn, state = draw(options.folder, options.count, options.seed), commit()
    reasons = rows.reasons(options.keep)  # nobody can notice these
    with trials_of(options.tests, options) as trials:
        start = time.monotonic() - trials.reach.seconds
        tried = [
            {**rows.tried(mutation, None), "reason": reasons[mutation.key]}
            if mutation.key in reasons
            else trials.attempt(mutation)
            for mutation in drawn
        ]
    words = [options.folder, *options.tests]
    words += ["--count", str(options.count), "--seed", str(options.seed)]
    row: rows.Row = {
        "room": options.folder,
        "command": " ".join(["python tests/mutate.py", *words]),
        "commit": state,
        "seconds": round(time.monotonic() - start),
        "tried": tried,
    }
    finish(row, options.keep)


def named(options: argparse.Namespace) -> None:
    """Breaks the lines that have a name, each before the tests of its room."""
    start, state, tried = time.monotonic(), commit(), []
    wanted = json.loads(NAMED.read_text(encoding="utf-8"))
    for tests in dict.fromkeys(one["tests"] for one in wanted):
        with trials_of(tests.split(), options) as trials:
            for one in wanted:
                if one["tests"] == tests:
                    where = ROOT / one["file"]
                    mutation = replaced(where, one["before"], one["after"])
                    result = trials.attempt(mutation, f"{one['name']}: ")
                    tried.append({**result, "name": one["name"]})
    row: rows.Row = {
        "room": "by name",
        "command": "python tests/mutate.py --named",
        "commit": state,
        "seconds": round(time.monotonic() - start),
        "tried": tried,
    }
    finish(row, options.keep)


def again(options: argparse.Namespace) -> None:
    """Tries a row's survivors once more, and keeps who notices them now."""
    row = rows.read(rows.ROWS / f"{options.again}.json")
    words = row["command"].split()
    tests = [*filter(None, [options.folder]), *options.tests]
    tests = tests or [word for word in words if word.startswith("tests/unit")]
    left = [one for one in row["tried"] if one["by"] is None and "reason" not in one]
    with trials_of(tests, options) as trials:
        for one in left:
            key = one["file"], one["before"], one["after"]
            every = map(broken, places(ROOT / one["file"]))
            same = [mutation for mutation in every if mutation.key == key]
            nearest = min(same, key=lambda m: abs(m.line - one["line"]))
            result = trials.attempt(nearest)
            one["by"], one["line"] = result["by"], result["line"]
            if one["by"] is not None:
                one["later"] = True
    finish(row, options.again)


def finish(row: rows.Row, name: str) -> None:
    """Says how many were noticed, and keeps the row if it has a name."""
    count = len(row["tried"])
    survivors = [one for one in row["tried"] if one["by"] is None]
    print(f"{count - len(survivors)} of {count} noticed in {row['seconds']} s")
    if name:
        rows.write(rows.ROWS / f"{name}.json", row)


def main() -> int:
    """Draws mutations and tries them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", help="whose files are broken, or a file")
    parser.add_argument("tests", nargs="*", help="what is to notice")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="", help="the name of the row to write")
    parser.add_argument("--named", action="store_true", help="break lines by name")
    parser.add_argument("--again", default="", help="a row whose survivors are tried")
    parser.add_argument("--everyone", action="store_true", help="ask all tests at last")
    parser.add_argument("--reach", type=Path, help="keep what tests do, or read it")
    parser.add_argument("--table", action="store_true", help="write all rows")
    options = parser.parse_args()
    if options.table:
        rows.write_table(ROOT / "tests" / "README.md")
    elif options.again:
        again(options)
    elif options.named:
        named(options)
    elif options.folder and options.tests:
        room(options)
    else:
        parser.error("FOLDER and TESTS must be given, or one of the options.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
