"""Owns what the value of an option may be: by the type of its field, or its parser."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from .literals import literal

LONGEST_TEXT = 4096  # characters of a word, for instance of a path
MOST_ITEMS = 4096  # elements of a list
DEEPEST = 8  # lists in lists
LARGEST_NUMBER = 2**63 - 1


class Rule(NamedTuple):
    """What values pass, and how they are called."""

    passes: Callable[[Any], bool]
    said: str

    def allows(self, value: Any) -> bool:
        """Tells whether a value, or the text that names it, may be an option's.

        None may stand for every option: fairseq leaves out so what was not given.
        """
        if value is None or self.passes(value):
            return True
        if not isinstance(value, str):
            return False
        try:  # older checkpoints have lists and numbers as texts
            return not isinstance(named := literal(value), str) and self.passes(named)
        except ValueError:
            return False


def is_flag(value: Any) -> bool:
    """Tells whether it is True or False, or 1 or 0 for them."""
    return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))


def is_number(value: Any) -> bool:
    """Tells whether it is a number; infinity is one, NaN is none."""
    return isinstance(value, (int, float)) and not math.isnan(value)


def is_whole(value: Any) -> bool:
    """Tells whether it is a whole number of 64 bits, in whatever form."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and abs(value) <= LARGEST_NUMBER


def is_text(value: Any) -> bool:
    """Tells whether it is a word that omegaconf and file systems take as it is."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_TEXT
        and not any(sign in value for sign in ("${", "\0", "\n"))
    )


def is_plain(value: Any, depth: int = 0) -> bool:
    """Tells whether it is a word, a number, or a list or dict of them."""
    if value is None or is_number(value) or is_text(value):
        return True
    if depth == DEEPEST or not isinstance(value, (list, tuple, Mapping)):
        return False
    if len(value) > MOST_ITEMS:
        return False
    items = [*value, *value.values()] if isinstance(value, Mapping) else value
    return all(is_plain(item, depth + 1) for item in items)


FLAG = Rule(is_flag, "True or False")
WHOLE = Rule(is_whole, "a whole number")
NUMBER = Rule(is_number, "a number")
TEXT = Rule(is_text, "a word")
SCALAR = Rule(lambda value: is_number(value) or is_text(value), "a word or a number")
PLAIN = Rule(is_plain, "a word, a number, or a list of them")
SIMPLE: dict[Any, Rule] = {bool: FLAG, int: WHOLE, float: NUMBER, str: TEXT}


def listed(inner: Rule) -> Rule:
    """Returns the rule of lists whose elements have one."""

    def passes(value: Any) -> bool:
        fits = isinstance(value, (list, tuple)) and len(value) <= MOST_ITEMS
        return fits and all(map(inner.allows, value))

    return Rule(passes, f"a list, each element {inner.said}")


def is_numbers(value: Any) -> bool:
    """Tells whether it is a number, or a list of numbers or of such lists."""
    if not isinstance(value, (list, tuple)):
        return value is None or is_number(value)
    return is_plain(value) and all(map(is_numbers, value))


# What fairseq's parsers take apart, as in `4096,8192`.
NUMBERS = Rule(is_numbers, "a number or a list of them")


def one_of(choices: Any) -> Rule:
    """Returns the rule of a choice."""
    known = [getattr(choice, "value", choice) for choice in choices]

    def passes(value: Any) -> bool:
        return getattr(value, "value", value) in known

    return Rule(passes, f"one of {', '.join(map(str, known))}")


def rule_of_type(annotation: Any) -> Rule:
    """Returns the rule of a dataclass's field, by its type."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Union:
        rules = [rule_of_type(one) for one in inside if one is not type(None)]
        said = " or ".join(rule.said for rule in rules)
        return Rule(lambda value: any(rule.allows(value) for rule in rules), said)
    if origin in (list, tuple):
        return listed(rule_of_type(inside[0]) if inside else PLAIN)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return one_of(annotation)
    return PLAIN


def rules_of_dataclass(kind: Any) -> dict[str, Rule]:
    """Returns the rule of every field of a dataclass."""
    hints = get_type_hints(kind)
    return {field.name: rule_of_type(hints[field.name]) for field in fields(kind)}


def rule_of_action(action: argparse.Action) -> Rule:
    """Returns the rule of a flag of argparse."""
    if action.choices is not None:
        return one_of(action.choices)
    if action.nargs == 0:
        return FLAG if isinstance(action.const, bool) else PLAIN
    # Without a type are words, and what fairseq takes from another group: sizes.
    inner = SCALAR if action.type is None else SIMPLE.get(action.type)
    inner = inner or NUMBERS
    return inner if action.nargs in (None, "?") else listed(inner)


def rules_of_parser(
    add_args: Callable[[argparse.ArgumentParser], Any],
) -> dict[str, Rule]:
    """Returns the rule of every flag that a model adds to a parser."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_args(parser)
    return {action.dest: rule_of_action(action) for action in parser._actions}


def rules_of_defaults(values: Mapping[str, Any]) -> dict[str, Rule]:
    """Returns rules by the types of values that an architecture sets by itself."""
    return {
        name: SIMPLE.get(type(value), PLAIN)
        for name, value in values.items()
        if value is not None
    }


def rules_of_groups(kind: Any) -> dict[str, dict[str, Rule]]:
    """Returns the rules of each group of options in a dataclass of dataclasses."""
    hints = get_type_hints(kind)
    return {
        name: rules_of_dataclass(hint)
        for name, hint in hints.items()
        if is_dataclass(hint)
    }
