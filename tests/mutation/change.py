"""Where a line can be broken, and what it then says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
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
    door: int = 0  # first line of the function around it, 0 = none

    @property
    def file(self) -> str:
        """The file's name in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by when lines have moved."""
        return self.file, self.before, self.after

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  ->  {self.after}"


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
    door = first_line_around(tree, own.lineno)
    Replace(own, other).visit(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Mutation(place.path, own.lineno, before, after, source, door)


def replaced(path: Path, before: str, after: str) -> Mutation:
    """Breaks a file by its text, in which `before` stands once."""
    text = path.read_text(encoding="utf-8")
    count = text.count(before)
    if count != 1:
        raise ValueError(
            f"{before!r} must stand once in {path.relative_to(ROOT)}, but stands there "
            f"{count} times instead."
        )
    line = text[: text.index(before)].count("\n") + 1
    door = first_line_around(ast.parse(text), line)
    return Mutation(path, line, before, after, text.replace(before, after), door)


def first_line_around(tree: ast.AST, line: int) -> int:
    """Returns where the innermost function around a line begins, as its code says."""
    starts = [
        min(node.lineno, *(one.lineno for one in node.decorator_list), node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= node.end_lineno
    ]
    return max(starts, default=0)
