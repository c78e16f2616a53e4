"""Owns options that stand in YAML files: reading them, and giving them to a command."""

from pathlib import Path
from typing import Any

import yaml

from data_prep.lib.steps import UserError


def read_yaml(path: Path) -> Any:
    """Return what a preset holds.

    Raises:
        FileNotFoundError: If there is no such file.
        UserError: If it is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise UserError(
            f"The preset {path} must be YAML, but is not: {place}"
        ) from None


def flags(options: dict[str, Any]) -> list[str]:
    """Turn options into flags; True is a flag alone, False and None are no flag."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
