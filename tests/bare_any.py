"""Counts the functions with a bare `Any`: `python tests/bare_any.py FOLDER`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def annotations(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yields the annotations of a function's parameters and of what it returns.

    Keywords that are handed on (`**options: Any`) may be of any type.
    """
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    yield from (one.annotation for one in every if one.annotation is not None)
    if function.returns is not None:
        yield function.returns


def is_bare(annotation: ast.expr) -> bool:
    """Tells whether an annotation is `Any`, or `Any` or None."""
    text = ast.unparse(annotation).strip("'\"")
    return text in ("Any", "Optional[Any]", "Any | None", "list[Any]")


def count(folder: Path) -> tuple[list[str], int]:
    """Returns the functions with a bare `Any`, and the number of all functions."""
    bare, every = [], 0
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                every += 1
                if any(map(is_bare, annotations(node))):
                    bare.append(f"{path}:{node.lineno}: {node.name}")
    return bare, every


def main() -> None:
    """Prints the functions and their share."""
    bare, every = count(Path(sys.argv[1]))
    print(*bare, sep="\n")
    print(f"{len(bare)} of {every} functions: {len(bare) / every:.1%}")


if __name__ == "__main__":
    main()
