"""The tests' own test: lines are broken one at a time, and it is told who notices."""

import ast
import json
from pathlib import Path

import pytest
from mutation import rows
from mutation.change import ROOT, Mutation, broken, first_line_around, places, replaced
from mutation.trial import Outcome, Reach

LINES = '''"""A text of 1 line."""


def decorate(function):
    return function


@decorate
def add(a: int, b: int = 3) -> int:
    """Adds 1."""
    if a > b:
        raise ValueError("not 2")
    return a + b * 2


LIMIT = add(1, 2)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "small.py"
    path.write_text(LINES)
    return path


def test_each_place_changes_one_thing(file: Path) -> None:
    """Neither types nor texts nor messages; the rest stays as it was."""
    changes = {(one.before, one.after) for one in map(broken, places(file))}
    assert changes == {
        ("if a > b:", "if not a > b:"),
        ("a > b", "a >= b"),
        ("a + b * 2", "a - b * 2"),
        ("b * 2", "b / 2"),
        ("2", "3"),
        ("1", "2"),
    }
    whole = ast.unparse(ast.parse(LINES)).splitlines()
    for mutation in map(broken, places(file)):
        pairs = list(zip(whole, mutation.source.splitlines(), strict=True))
        assert sum(one != other for one, other in pairs) == 1, mutation.source


def test_the_door_is_where_the_functions_code_begins(file: Path) -> None:
    space: dict = {}
    exec(compile(LINES, "small.py", "exec"), space)
    tree = ast.parse(LINES)
    assert first_line_around(tree, 13) == space["add"].__code__.co_firstlineno
    assert first_line_around(tree, 16) == 0


def test_tests_that_enter_the_broken_function_come_first() -> None:
    reach = Reach(
        9.0,
        {"slow::a": 5.0, "slow::b": 1.0, "quick::a": 2.0, "other::a": 0.1},
        {
            "slow::a": [("x.py", 4)],
            "slow::b": [("x.py", 8)],
            "quick::a": [("x.py", 4)],
            "other::a": [("y.py", 4)],
        },
    )
    inside = Mutation(ROOT / "x.py", 5, "", "", "", door=4)
    assert reach.of(inside) == ["quick::a", "slow::a"]
    outside = Mutation(ROOT / "x.py", 1, "", "", "", door=0)
    assert reach.of(outside) == ["quick::a", "slow::a", "slow::b"]


def test_to_run_no_test_is_not_to_notice() -> None:
    noticed = [Outcome(code, None).noticed for code in (0, 5, 1, 2, -1, -9)]
    assert noticed == [False, False, True, True, True, True]


def test_a_table_counts_who_noticed_and_names_the_others() -> None:
    one = {"file": "x.py", "line": 3, "before": "a | b", "after": "c"}
    row: rows.Row = {
        "room": "r",
        "command": "",
        "commit": "abc",
        "seconds": 7,
        "tried": [
            {**one, "by": "t"},
            {**one, "by": "t", "later": True},
            {**one, "by": None, "reason": "the same"},
        ],
    }
    table = rows.table([row])
    assert "| r | 3 | 1 | 2 | 1 | 7 | abc |" in table
    assert r"- `x.py:3`: `a \| b` → `c`: the same." in table


def test_a_line_is_broken_by_its_text_if_it_stands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutation.change.ROOT", tmp_path)
    path = tmp_path / "small.py"
    path.write_text(LINES)
    mutation = replaced(path, "a > b", "a < b")
    assert (mutation.line, mutation.door) == (11, 8)
    assert mutation.source == LINES.replace("a > b", "a < b")
    with pytest.raises(ValueError, match="must stand once in small.py, but .* 2 times"):
        replaced(path, "add", "sub")


def test_what_has_a_name_stands_where_it_is_said_to() -> None:
    """Whoever moves such a line moves its name along."""
    text = (ROOT / "tests" / "mutation" / "named.json").read_text(encoding="utf-8")
    for one in json.loads(text):
        mutation = replaced(ROOT / one["file"], one["before"], one["after"])
        ast.parse(mutation.source)
        assert all((ROOT / tests).exists() for tests in one["tests"].split())


def test_the_page_has_the_table_of_the_rows() -> None:
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    assert f"{rows.BEGIN}{rows.table(rows.all_rows())}{rows.END}" in page
