"""Owns the look at a value that was read, by the type that it should have.

A file of results may be another's, or written by hand: what a table would stumble over
is noticed when the file is read, and named. Presets and tables of experiments are
looked at in the same way, see `data_prep.lib.typed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Any,
    NotRequired,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ..files import BadFile, read_json, short

Of = TypeVar("Of")  # a type of rows
NAMES: dict[type, tuple[str, str]] = {  # one of a type, and several
    dict: ("a mapping", "mappings"),
    list: ("a list", "lists"),
    str: ("a text", "texts"),
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    NoneType: ("nothing", "nothing"),
}


def read_checked(path: Path, what: str, kind: type[Of], whole: bool = True) -> Of:
    """Reads a row of results.

    Args:
        path: of a JSON file.
        what: it must be, for the sentence.
        kind: a TypedDict.
        whole: whether all that it requires must be there.

    Raises:
        BadFile: if it is none.
    """
    row = read_json(path, what)
    fault = first_fault(row, kind, whole=whole)
    if fault is not None:
        raise BadFile(f"{path} must be {what}, but {fault}.")
    return cast(Of, row)


def first_fault(
    value: Any, kind: Any, name: str = "", whole: bool = True
) -> str | None:
    """Says what is wrong with a value, None if nothing is.

    Args:
        value: as JSON has it.
        kind: a type made of TypedDicts, lists, dicts, unions and plain types; what a
            TypedDict does not name may be anything.
        name: of the value.
        whole: whether all that a TypedDict requires must be there.
    """
    return next(faults(value, kind, name, whole), None)


def faults(value: Any, kind: Any, name: str, whole: bool) -> Iterator[str]:
    """Yields what is wrong, see `first_fault`."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        yield from _of_none(value, inner, name, whole)
    elif is_typeddict(kind):
        yield from _of_row(value, kind, name, whole)
    elif not fits(value, origin or kind):
        yield f"`{name}` must be {named(origin or kind)}, but is {short(value)}"
    elif origin is list:
        for place, item in enumerate(value):
            yield from faults(item, inner[0], f"{name}[{place}]", whole)
    elif origin is dict:
        for key, item in value.items():
            yield from faults(item, inner[1], f"{name}.{key}", whole)


def named(kind: type, several: bool = False) -> str:
    """Returns what a value of a plain type is called in a sentence, or several are."""
    return NAMES[kind][several]


def fits(value: Any, kind: type) -> bool:
    """Tells whether a value is of a plain type; a whole number is a number, too."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _of_none(
    value: Any, kinds: tuple[Any, ...], name: str, whole: bool
) -> Iterator[str]:
    """Yields what is wrong with what fits none of several types."""
    faults = [first_fault(value, kind, name, whole) for kind in kinds]
    if all(faults):
        yield next(fault for fault in faults if fault)


def _of_row(value: Any, kind: Any, name: str, whole: bool) -> Iterator[str]:
    """Yields what is wrong with a TypedDict."""
    if not isinstance(value, dict):
        yield f"`{name}` must be {named(dict)}, but is {short(value)}"
        return
    for key, inner in get_type_hints(kind, include_extras=True).items():
        inside = f"{name}.{key}".lstrip(".")
        may_miss = get_origin(inner) is NotRequired
        if key in value:
            inner = get_args(inner)[0] if may_miss else inner
            yield from faults(value[key], inner, inside, whole)
        elif whole and not may_miss:
            yield f"`{inside}` must be there, but is not"
