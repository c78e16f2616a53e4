"""Owns what a file may say of a thing: a dataclass's fields, of their types, no others.

The dataclass is the whole description: what a field may be stands in its type, what it
is by default beside it, and every error is a sentence made of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from data_prep.lib.steps import UserError
from vq_nat.files import short
from vq_nat.results.checking import fits, named

Made = TypeVar("Made")
NONE = (MISSING, MISSING)  # of a field that has no default


@dataclass(frozen=True)
class Least:
    """The least that a number may be: `Annotated[int, Least(1)]`."""

    number: int


def read_as(kind: type[Made], what: str, keys: Mapping[str, Any], **given: Any) -> Made:
    """Makes a dataclass of a mapping whose keys are its fields, with dashes.

    Args:
        kind: the dataclass.
        what: the thing, for errors, as in "The row `a`".
        keys: what the file says.
        given: fields that it does not decide.

    Raises:
        UserError: if a key is unknown or missing, or a value of another type.
    """
    hints, where = get_type_hints(kind, include_extras=True), within(what)
    known = {f.name: f for f in fields(kind) if f.name not in given}  # type: ignore[arg-type]
    values = {}
    for key, value in keys.items():
        name = str(key).replace("-", "_")
        if name not in known:
            require_one_of(f"A key of {where}", key, map(with_dashes, known))
        values[name] = value_of(f"`{key}` of {where}", value, hints[name])
    defaults = {k for k, f in known.items() if (f.default, f.default_factory) != NONE}
    require_keys(what, values, [k for k in known if k not in defaults])
    return kind(**values, **given)


def with_dashes(name: str) -> str:
    """Returns a field's name as files have it."""
    return name.replace("_", "-")


def within(what: str) -> str:
    """Returns the name of a thing for the middle of a sentence."""
    return what[:1].lower() + what[1:]


def value_of(what: str, value: Any, kind: Any, several: bool = False) -> Any:
    """Returns a value as a type wants it.

    Args:
        what: it is, for errors.
        value: as the file has it.
        kind: a plain type, `Literal`, a tuple of any number of one type, one of these
            or None, `Annotated` with `Least`, or a class that is read from text: with
            a `read` and a `FORM` for errors.
        several: whether it is one of several.

    Raises:
        UserError: if it is of another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        require_one_of(what, value, inner)
        return value
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        return tuple(value_of(what, item, inner[0], several=True) for item in items)
    if origin in (Union, UnionType):
        return value_of(what, value, inner[0], several)
    least = None
    if origin is Annotated:
        kind, least = inner[0], inner[1].number
    if hasattr(kind, "read"):
        return read_text(what, value, kind)
    plain = get_origin(kind) or kind
    if not fits(value, plain) or (least is not None and value < least):
        wanted = named(plain, several)
        wanted += "" if least is None else f" of at least {least}"
        raise UserError(
            f"{what} must be {wanted}, but {'one ' * several}is {short(value)} instead."
        )
    return value


def read_text(what: str, value: Any, kind: Any) -> Any:
    """Returns what a text stands for.

    Raises:
        UserError: if it is none, or has another form.
    """
    try:
        if isinstance(value, str):
            return kind.read(value)
    except ValueError:
        pass
    raise UserError(f"{what} must be {kind.FORM}, but one is {value!r} instead.")


def require_one_of(what: str, value: Any, known: Iterable[Any]) -> None:
    """Refuses a value that does not exist.

    Raises:
        UserError: naming it.
    """
    names = list(known)
    if value not in names:
        raise UserError(
            f"{what} must be one of {', '.join(map(str, names))}, "
            f"but is {value!r} instead."
        )


def require_keys(what: str, keys: Any, names: Iterable[str]) -> None:
    """Refuses what has keys too few, or is no mapping.

    Raises:
        UserError: naming the first that is missing.
    """
    for name in names:
        if not isinstance(keys, Mapping) or keys.get(name) is None:
            raise UserError(f"{what} must have a `{name}`.")
