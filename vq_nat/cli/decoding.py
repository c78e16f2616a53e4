"""The decoding options of a command, made from their one home."""

import argparse
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..light import light_module
from .arguments import count, device, positive

if TYPE_CHECKING:
    from ..translation.decoding import options as home
else:  # torch takes seconds, which `vq-nat --help` does not have
    home = light_module("translation.decoding.options")

INTEGERS: dict[float | None, Callable[[str], int]] = {0: count, 1: positive, None: int}


def add_decoding(
    command: argparse.ArgumentParser, helps: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Adds the options that say how a model decodes, and where.

    Args:
        command: which takes them.
        helps: of options that mean more to this command, by name.
    """
    command.add_argument(
        "--device",
        type=device,
        default="cpu",
        help="cpu, cuda, cuda:1, … (default: cpu)",
    )
    latent = command.add_argument_group("decoding of a latent model")
    other = command.add_argument_group("decoding of an autoregressive model")
    for name, option in home.OPTIONS.items():
        group = latent if option.latent else other
        default = home.default_of(name)
        group.add_argument(
            *flags(name),
            dest=name,
            default=default,
            help=helps.get(name, help_of(name)),
            **kind(name),
        )


def flags(name: str) -> list[str]:
    """Returns an option's names on the command line, a short one first."""
    short = home.OPTIONS[name].flag
    names = [short, name] if short else [name]
    return ["--" + one.replace("_", "-") for one in names]


def help_of(name: str) -> str:
    """Returns the help of an option, with its default if it has one."""
    text, default = home.OPTIONS[name].help.replace("%", "%%"), home.default_of(name)
    return (
        text
        if default is None or default is False
        else f"{text} (default: %(default)s)"
    )


def kind(name: str) -> dict[str, Any]:
    """Returns how an option is parsed."""
    option, of_values = home.OPTIONS[name], home.type_of(name)
    if of_values is bool:
        return {"action": "store_true"}
    if option.choices:
        return {"choices": option.choices}
    if of_values is int:
        return {"type": INTEGERS[option.least], "metavar": "N"}
    if of_values is float:
        return {"type": number(name), "metavar": "X"}
    return {"metavar": "MODEL"}


def number(name: str) -> Callable[[str], float]:
    """Returns a parser for the values of an option."""

    def parse(text: str) -> float:
        try:
            value = float(text)
            home.check(name, value, home.OPTIONS[name])
        except ValueError as error:
            reason = str(error).partition(" must ")[2].partition(", but")[0]
            raise argparse.ArgumentTypeError(
                f"must {reason or 'be a number'}, but is {text!r} instead"
            ) from None
        return value

    return parse


def chosen(
    options: argparse.Namespace, *, calls_choose: bool = False
) -> dict[str, Any]:
    """Returns what differs from plain decoding.

    Args:
        options: of the command.
        calls_choose: whether later calls may ask for more candidates.

    Raises:
        ValueError: for options that exclude each other.
    """
    values = {name: getattr(options, name) for name in home.OPTIONS}
    asked = home.options_from(values).at_once()
    if calls_choose or asked.rescore == "model":
        return asked.changed()
    if asked.teacher is not None and not asked.verify:
        raise home.refused("rescore", "'model' with `teacher`", asked.rescore)
    if asked.candidates == 1:
        why = ": there is nothing to choose from"
        raise home.refused("candidates", "above 1 with `rescore`", 1, why)
    return asked.changed()
