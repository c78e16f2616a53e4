"""Files have one job and functions are short, so that a reader keeps them in mind."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOUSES = ("vq_nat", "data_prep", "examples")
SOURCES = (".py", ".cpp", ".h", ".js", ".css", ".html", ".sh")
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40  # beside its docstring


def files() -> Iterator[Path]:
    """Yields all that is written by hand and runs."""
    for house in HOUSES:
        for path in sorted((REPOSITORY / house).rglob("*")):
            if path.suffix in SOURCES:
                yield path


def long_functions(text: str) -> list[tuple[str, int]]:
    """Returns the functions of a module that are too long, and their lines."""
    functions = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                functions.append((node.name, lines))
    return functions


def test_files_are_short() -> None:
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in files()}
    assert len(sizes) > 300
    assert not {path: n for path, n in sizes.items() if n > MOST_LINES_OF_A_FILE}


def test_functions_are_short() -> None:
    modules = (REPOSITORY / "vq_nat").rglob("*.py")
    long = {path: long_functions(path.read_text("utf-8")) for path in modules}
    assert not {path: functions for path, functions in long.items() if functions}


@pytest.mark.parametrize(("lines", "known"), [(38, []), (39, [("f", 41)])])
def test_a_long_function_is_noticed(lines: int, known: list[tuple[str, int]]) -> None:
    text = 'def f() -> None:\n    """Says what it does.\n\n    At length.\n    """\n'
    assert long_functions(text + "    x = 1\n" * lines + "    return\n") == known
