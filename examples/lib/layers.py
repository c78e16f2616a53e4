"""Owns inheritance between YAML files, and between the entries of one section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.lib.options import read_yaml
from data_prep.lib.steps import UserError

Keys = dict[str, Any]


def read_layers(path: Path, seen: tuple[Path, ...] = ()) -> Keys:
    """Reads a file and its bases, and lays them over each other.

    Raises:
        UserError: if a file is missing, no mapping, or a base of itself.
    """
    path = path.resolve()
    if path in seen:
        raise UserError(f"{path} must not be a base of itself.")
    try:
        keys = read_yaml(path)
    except FileNotFoundError:
        raise UserError(f"The configuration {path} is missing.") from None
    if not isinstance(keys, dict):
        raise UserError(f"{path} must hold sections, but does not.")
    result: Keys = {}
    for base in as_list(keys.pop("base", [])):
        result = overlay(result, read_layers(path.parent / base, (*seen, path)))
    return overlay(result, keys)


def as_list(value: Any) -> list[Any]:
    """Returns one thing or several as several."""
    return value if isinstance(value, list) else [value]


def overlay(below: Keys, above: Mapping[str, Any]) -> Keys:
    """Lays mappings over each other; what is no mapping replaces.

    None stays, so that it can take away what comes from further below; `settled` ends
    that.
    """
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, dict):
            old = result.get(key)
            result[key] = overlay(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result


def settled(keys: Mapping[str, Any]) -> Keys:
    """Leaves out what has been taken away."""
    return {
        key: settled(value) if isinstance(value, dict) else value
        for key, value in keys.items()
        if value is not None
    }


def inherit(entries: Mapping[str, Any], name: str, what: str, *seen: str) -> Keys:
    """Returns an entry with the keys of its bases.

    Args:
        entries: all of a kind, by name.
        name: of the entry.
        what: the kind, for errors.
        seen: the entries whose base this is.

    Raises:
        UserError: if there is no such entry, or one is its own base.
    """
    if name in seen:
        raise UserError(f"The {what} `{name}` must not be a base of itself.")
    if not isinstance(entries.get(name), dict):
        known = ", ".join(entries)
        raise UserError(f"A {what} must be one of {known}, but is `{name}` instead.")
    keys = dict(entries[name])
    base = keys.pop("base", None)
    if base is None:
        return keys
    return overlay(inherit(entries, base, what, *seen, name), keys)


def require_one_of(what: str, value: Any, known: tuple[Any, ...]) -> None:
    """Refuses a value that does not exist.

    Raises:
        UserError: naming it.
    """
    if value not in known:
        raise UserError(
            f"{what} must be one of {', '.join(map(str, known))}, "
            f"but is {value!r} instead."
        )


def refuse_unknown(what: str, keys: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuses keys that do not exist.

    Raises:
        UserError: naming the first.
    """
    for key in keys:
        require_one_of(f"A key of {what[0].lower() + what[1:]}", key, known)


def check_keys(
    what: str, keys: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    """Refuses an entry that has keys too many or too few.

    Raises:
        UserError: naming the first.
    """
    refuse_unknown(what, keys, known)
    for name in needed:
        if name not in keys:
            raise UserError(f"{what} must have a `{name}`.")


def check_values(what: str, keys: Mapping[str, Any], **known: tuple[Any, ...]) -> None:
    """Refuses values that do not exist; what is not there is right.

    Raises:
        UserError: naming the first.
    """
    for name in known.keys() & keys.keys():
        where = f"`{name}` of {what[0].lower()}{what[1:]}"
        require_one_of(where, keys[name], known[name])
