"""Owns inheritance between YAML files, and between the entries of one section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.lib.options import read_yaml
from data_prep.lib.steps import UserError
from data_prep.lib.typed import require_keys

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


def check_sections(path: Path, keys: Any, needed: Mapping[str, Sequence[str]]) -> None:
    """Refuses a file that lacks sections, or keys of them.

    Args:
        path: of the file.
        keys: what it holds.
        needed: the sections, and what each must have.

    Raises:
        UserError: naming the first.
    """
    for section, names in needed.items():
        if not isinstance(keys, dict) or not isinstance(keys.get(section), dict):
            raise UserError(f"{path} must have a section `{section}`.")
        require_keys(f"Section `{section}` of {path}", keys[section], names)
