"""Owns what fairseq's `eval` is for: a text that names numbers, words or lists of them.

fairseq evaluates options such as `--adam-betas "(0.9, 0.98)"`, wherever they come from:
out of a checkpoint they would be code of whoever wrote it.
"""

from __future__ import annotations

import ast
import sys
from typing import Any

from ..files import short

LONGEST = 4096  # characters of a text
LARGEST = 4096  # elements of a list
SIGNS = {ast.UAdd: 1, ast.USub: -1}


def literal(text: str) -> Any:
    """Reads a text that names a value, and runs nothing.

    Numbers, words, True, False, None; lists, tuples and dicts of them; sums of two
    numbers or lists; a list so many times, as in `[(512, 3)] * 20`.

    Args:
        text: for instance "(0.9, 0.98)".

    Raises:
        ValueError: if it is anything else.
    """
    refused = ValueError(
        f"an option must be a number, a word or a list of them, but is {short(text)} "
        "instead, which is not evaluated."
    )
    if not isinstance(text, str) or len(text) > LONGEST:
        raise refused
    try:
        return value_of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise refused from None


def value_of(node: ast.AST) -> Any:
    """Returns what an expression names.

    Raises:
        ValueError: if it asks for anything to be called or looked up.
        TypeError: for sums and products that do not exist.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(map(value_of, node.elts))
    if isinstance(node, ast.List):
        return list(map(value_of, node.elts))
    if isinstance(node, ast.Dict):
        keys = [value_of(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(value_of, node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)] * value_of(node.operand)
    if isinstance(node, ast.BinOp):
        return combined(node.op, value_of(node.left), value_of(node.right))
    raise ValueError("no literal")


def combined(operator: ast.operator, left: Any, right: Any) -> Any:
    """Returns a sum, or a list so many times.

    Raises:
        ValueError: if it is another operation, or too large.
        TypeError: if there is no such sum.
    """
    if isinstance(operator, ast.Add):
        value = left + right
    elif isinstance(operator, ast.Mult) and isinstance(left, (list, tuple)):
        if not isinstance(right, int) or len(left) * right > LARGEST:
            raise ValueError("too large")
        value = left * right
    else:
        raise ValueError("no literal")
    if isinstance(value, (list, tuple)) and len(value) > LARGEST:
        raise ValueError("too large")
    return value


def replace_eval() -> None:
    """Puts `literal` in the place of `eval` in all of fairseq that is loaded.

    A module's own name comes before Python's: nothing of fairseq is changed beside it.
    """
    for name, module in list(sys.modules.items()):
        ours = name.partition(".")[0] in ("fairseq", "fairseq_cli")
        if ours and module is not None and "eval" not in vars(module):
            module.eval = literal  # type: ignore[attr-defined]
