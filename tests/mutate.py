"""Breaks single lines on purpose and tells which ones no test notices.

    python tests/mutate.py vq_nat/bottleneck tests/unit/bottleneck --count 20 --seed 1

Of all small changes of meaning that the files below FOLDER allow (another comparison,
another operation, another number, a condition turned round, a statement left out), it
draws some, one at a time, into a copy of the package, and runs TESTS on it until the
first failure. A survivor is a change that all of them passed. Each takes as long as the
tests do, so this is no part of `tests/run.sh`.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
OTHER = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
WORDY = ("extra_repr", "__repr__")  # what they say is for people


class Mutation(NamedTuple):
    """One broken line."""

    path: Path
    line: int
    before: str
    after: str
    source: str  # of the whole file

    def __str__(self) -> str:
        where = f"{self.path.relative_to(ROOT)}:{self.line}"
        return f"{where}: {self.before}  ->  {self.after}"


def swapped(node: ast.AST) -> Iterator[ast.AST]:
    """Yields what may stand in the place of an expression or a statement."""
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        yield ast.BinOp(node.left, OTHER[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OTHER[type(node.op)](), node.values)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        ops = [OTHER[type(node.ops[0])](), *node.ops[1:]]
        yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        other = not node.value if isinstance(node.value, bool) else node.value + 1
        yield ast.Constant(other)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.Pass()


class Replace(ast.NodeTransformer):
    """Puts something in the place of one node."""

    def __init__(self, node: ast.AST, other: ast.AST) -> None:
        self.node, self.other = node, ast.copy_location(other, node)

    def visit(self, node: ast.AST) -> ast.AST:
        """Goes down to the node."""
        return self.other if node is self.node else self.generic_visit(node)


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that do something: no types, texts or messages of errors."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr):
            continue
        if isinstance(child, ast.FunctionDef) and child.name in WORDY:
            continue
        if isinstance(child, ast.FunctionDef):
            for part in child.body:
                yield part
                yield from nodes(part)
        elif isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield child.value
                yield from nodes(child.value)
        else:
            yield child
            yield from nodes(child)


class Place(NamedTuple):
    """Where a line can be broken: a node of a file, and which way."""

    path: Path
    node: int
    way: int


def places(path: Path) -> Iterator[Place]:
    """Yields every place of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for index, node in enumerate(nodes(tree)):
        yield from (Place(path, index, way) for way, _ in enumerate(swapped(node)))


def broken(place: Place) -> Mutation:
    """Breaks a line."""
    tree = ast.parse(place.path.read_text(encoding="utf-8"))
    own = list(nodes(tree))[place.node]
    other = ast.fix_missing_locations(list(swapped(own))[place.way])
    before, after = (ast.unparse(one).split("\n")[0] for one in (own, other))
    Replace(own, other).visit(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Mutation(place.path, own.lineno, before, after, source)


def run_tests(copy: Path, tests: list[str]) -> bool:
    """Runs tests on a copy in a child process; tells whether one of them failed."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        import pytest

        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    _, status = os.waitpid(child, 0)
    return status != 0


def ordered(mutation: Mutation, tests: list[str]) -> list[str]:
    """Puts the file's own tests first, if it has some: they fail soonest."""
    own = [
        str(found.relative_to(ROOT))
        for folder in tests
        for found in (ROOT / folder).rglob(f"test_{mutation.path.stem}.py")
    ]
    return [*own, *tests]


def main() -> int:
    """Draws mutations and tries them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="whose files are broken, or a single file")
    parser.add_argument("tests", nargs="+", help="what is to notice")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = ROOT / options.folder
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    every = [found for path in paths for found in places(path)]
    count = min(options.count, len(every))
    drawn = map(broken, random.Random(options.seed).sample(every, count))
    import fairseq  # noqa: F401  once for all children, as torch is

    survivors = []
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "copy"
        ignored = shutil.ignore_patterns(
            ".git", "runs", "__pycache__", ".venv", "build"
        )
        shutil.copytree(ROOT, copy, ignore=ignored)
        for mutation in drawn:
            target = copy / mutation.path.relative_to(ROOT)
            original = target.read_text(encoding="utf-8")
            target.write_text(mutation.source, encoding="utf-8")
            noticed = run_tests(copy, ordered(mutation, options.tests))
            target.write_text(original, encoding="utf-8")
            print("noticed " if noticed else "SURVIVED", mutation, flush=True)
            survivors += [] if noticed else [mutation]
    print(f"{count - len(survivors)} of {count} noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
