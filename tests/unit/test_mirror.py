"""Every module has a test of its name in its place, or a line that says what tests it.

The lines stand in the last table of tests/README.md. This is about files, not about
running code: nothing of the package is imported here.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
HOUSES = ("vq_nat", "data_prep", "examples")
CODE = re.compile(r"`([^`]+)`")
# What a test's name says of the place when the module's alone would not be unique.
PREFIXES = {"paper_table": "table"}


def modules() -> list[str]:
    """Returns the paths of all modules but doors."""
    paths = (path for house in HOUSES for path in (ROOT / house).rglob("*.py"))
    doors = ("__init__", "__main__")
    return sorted(
        str(path.relative_to(ROOT)) for path in paths if path.stem not in doors
    )


def files_named(module: str) -> list[Path]:
    """Returns the tests in the mirrored place, or of commands, with a module's name."""
    path = Path(module)
    house, *rooms = path.parts[:-1]
    place = rooms[0] if house == "vq_nat" and rooms else ""
    unit = TESTS / "unit" / (place if house == "vq_nat" else house)
    names = [path.stem, f"{path.stem}_command", f"{path.stem}_commands"]
    names += [f"{PREFIXES.get(room, room)}_{path.stem}" for room in rooms[-1:]]
    inside = "**/" if rooms or house != "vq_nat" else ""  # not in every room
    files = [file for name in names for file in unit.glob(f"{inside}test_{name}.py")]
    commands = house == "examples" or place in ("cli", "translation")
    both = [TESTS / "integration" / f"test_{name}.py" for name in names * commands]
    return files + [file for file in both if file.is_file()]


@cache
def table() -> dict[str, list[str]]:
    """Returns the modules in the table, and the names of the tests beside each."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    tests_of: dict[str, list[str]] = {}
    for line in text[text.index("| modules | tests |") :].splitlines()[2:]:
        left, right = line.strip("| ").split(" | ")
        room, *names = CODE.findall(left)
        for name in names:
            module = f"{room}{name}.py"
            assert module not in tests_of, f"{module} stands in the table twice"
            tests_of[module] = CODE.findall(right)
    return tests_of


@pytest.mark.parametrize("module", modules())
def test_a_module_has_a_test_of_its_name_or_a_line_but_not_both(module: str) -> None:
    files = files_named(module)
    assert bool(files) != (module in table()), (
        f"{module} must have a test of its name or stand in tests/README.md, not both"
    )


def test_what_the_table_names_is_there() -> None:
    assert table().keys() <= {*modules()}
    names = {path.stem.removeprefix("test_") for path in TESTS.rglob("test_*.py")}
    assert {name for line in table().values() for name in line} <= names
    assert all(table().values())


@cache
def imports(path: Path) -> frozenset[Path]:
    """Returns the files of this repository that a file imports."""
    package = path.relative_to(ROOT).parts[:-1]
    files: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        dotted: list[str] = []
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            start = ".".join([*base, *filter(None, [node.module])])
            dotted = [start, *(f"{start}.{alias.name}" for alias in node.names)]
        for name in dotted:
            file = ROOT.joinpath(*name.split("."))
            files |= {file.with_suffix(".py"), file / "__init__.py"}
    return frozenset(one for one in files if one.is_file())


@cache
def reached(start: Path) -> set[Path]:
    """Returns all files that are imported by way of one."""
    seen, waiting = {start}, [start]
    while waiting:
        new = imports(waiting.pop()) - seen
        seen |= new
        waiting += new
    return seen


def starts(test: Path) -> set[Path]:
    """Returns a test, what stands beside it for it, and the scripts that it names."""
    text = test.read_text(encoding="utf-8")
    above = [one / "conftest.py" for one in test.parents if TESTS in one.parents]
    names = re.findall(r"^from (\w+) import", text, re.MULTILINE)
    beside = [test.with_name(f"{name}.py") for name in names]
    named = {name for name in re.findall(r"(\w+)\.(?:py|sh)\b", text)}
    scripts = [path for house in HOUSES[1:] for path in (ROOT / house).rglob("*.py")]
    files = [test, *above, *beside, *(path for path in scripts if path.stem in named)]
    return {path for path in files if path.is_file()}


@pytest.mark.parametrize("module", sorted(table()))
def test_a_test_in_the_table_reaches_the_module(module: str) -> None:
    tests = [next(TESTS.rglob(f"test_{name}.py")) for name in table()[module]]
    files = {
        file for test in tests for start in starts(test) for file in reached(start)
    }
    assert ROOT / module in files
