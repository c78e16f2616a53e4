"""Owns options that stand in YAML files: reading them, and giving them to a command.

Presets are passed on as data are: a file decides how a model is trained, and not whose
code does it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml

from data_prep.lib.steps import UserError
from data_prep.lib.typed import Least, value_of

MOST_BYTES = 2**20
MOST = 2**53  # of a number: what it is multiplied with must be a number, too
# Flags of fairseq that name code, or text that some of its commands evaluate.
NOT_FROM_A_FILE = ("user-dir", "user_dir", "model-overrides", "lm-path")


class PlainLoader(yaml.SafeLoader):
    """Reads plain values; an alias, of which a few lines can make billions, is none."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases.

        Raises:
            YAMLError: at an alias.
        """
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, "it must not have aliases", mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """Returns what a preset holds.

    Raises:
        FileNotFoundError: if there is no such file.
        UserError: if it is not YAML, or has an option that no file decides.
    """
    if path.stat().st_size > MOST_BYTES:
        raise UserError(
            f"The preset {path} must have at most {MOST_BYTES:,} bytes, but has "
            f"{path.stat().st_size:,}."
        )
    try:
        keys = yaml.load(path.read_text("utf-8"), PlainLoader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = " ".join(str(error).split())
        raise UserError(
            f"The preset {path} must be YAML, but is not: {place}"
        ) from None
    refuse_code(keys, path)
    return keys


def refuse_code(value: Any, path: Path) -> None:
    """Refuses options that name code, and values that would be read as flags.

    Raises:
        UserError: naming the option.
    """
    if isinstance(value, list):
        for item in value:
            refuse_code(item, path)
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if str(name).strip().lstrip("-") in NOT_FROM_A_FILE:
            raise UserError(
                f"The preset {path} must not have `{name}`: whose code runs is no "
                "matter of a file."
            )
        if isinstance(item, str) and item.lstrip().startswith("--"):
            raise UserError(
                f"`{name}` in the preset {path} must be a value, but is {item!r} "
                "instead, which is a flag."
            )
        refuse_code(item, path)


def number_of(
    keys: Mapping[str, Any], key: str, least: int = 1, where: str = "the preset"
) -> int:
    """Returns a whole number of a preset.

    Args:
        keys: of the preset, or of a section.
        key: of the number.
        least: that it may be.
        where: the keys stand, for the sentence.

    Raises:
        UserError: if it is missing, none, or out of bounds.
    """
    what = f"`{key}` of {where}"
    value: int = value_of(what, keys.get(key), Annotated[int, Least(least)])
    if value > MOST:
        raise UserError(f"{what} must be at most {MOST:,}, but is more.")
    return value


def flags(options: dict[str, Any]) -> list[str]:
    """Turns options into flags; True is a flag alone, False and None are no flag."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
