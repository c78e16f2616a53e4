"""A command of ours is run as a file, too, and then finds what it needs."""

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
COMMANDS = sorted(
    path
    for house in ("data_prep", "examples")
    for path in (REPOSITORY / house).rglob("*.py")
    if "__package__" in path.read_text(encoding="utf-8")
)


def run_beginning(path: Path, package: str) -> None:
    """Runs a command up to the imports of ours, as Python does a file or a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = [isinstance(n, ast.If) and "__package__" in ast.dump(n) for n in tree.body]
    tree.body = tree.body[: places.index(True) + 1]
    names = {"__name__": path.stem, "__file__": str(path), "__package__": package}
    exec(compile(tree, str(path), "exec"), names)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_the_repository_takes_the_place_of_a_commands_own_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its folder alone: what it could hide there is not found, all else is."""
    others = list(sys.path)
    monkeypatch.setattr(sys, "path", [str(path.parent), *others])
    run_beginning(path, "")
    assert sys.path == [str(REPOSITORY), *others]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_a_module_leaves_the_path_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["elsewhere", *sys.path])
    before = list(sys.path)
    run_beginning(path, path.parent.name)
    assert sys.path == before
