"""One dialect of docstrings, as far as ruff does not see to it.

Functions say what they do ("Returns", not "Return"), entries of a section begin with a
small letter, an arrow is →, and code stands between single backticks.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOUSES = ("vq_nat", "data_prep", "examples")
COMMANDS = r"(Return|Yield|Write|Read|Make|Tell|Run|Refuse|Compute|Load|Check|Take|Put)"
SECTION = re.compile(
    r"^( *)(Args|Attributes|Raises):\n((?:\1 {4}.*\n|\n)*)", re.MULTILINE
)
# A capital that begins a common word: not BPE, None, "C," or CTranslate2.
CAPITAL = re.compile(r"^ +[*\w.`]+: (?!None|True|False|Python|German)[A-Z][a-z]+\b")


def faults(text: str) -> Iterator[str]:
    """Yields what a docstring says in another dialect."""
    if re.match(rf"{COMMANDS}\b", text):
        yield f"must say what is done, but begins with {text.split()[0]!r} instead"
    if re.search(r"\s->\s", text):
        yield "must have → as its arrow, but has -> instead"
    if "``" in text:
        yield "must have code between single backticks, but has two"
    for _, name, entries in SECTION.findall(text + "\n"):
        for line in entries.splitlines():
            if CAPITAL.match(line):
                yield f"{name} must begin small, but is {line.strip()!r} instead"


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and text of every docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (
            text := ast.get_docstring(node)
        ):
            yield getattr(node, "lineno", 1), text


def test_all_speak_one_dialect() -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}:{line}: {fault}"
        for house in HOUSES
        for path in sorted((REPOSITORY / house).rglob("*.py"))
        for line, text in docstrings(path)
        for fault in faults(text)
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "text",
    [
        "Return it.",
        "Shape: (B, T) -> (T,).",
        "Reads ``x``.",
        "Does.\n\nArgs:\n    x: The number.\n",
        "Does.\n\nRaises:\n    ValueError: If it is not one.",
    ],
)
def test_another_dialect_is_found(text: str) -> None:
    assert len(list(faults(text))) == 1


def test_names_keep_their_capitals() -> None:
    text = (
        "Does.\n\nArgs:\n    a: BPE codes.\n    b: None, or C.\n    c: CTranslate2's."
    )
    assert not list(faults(text))
