"""Owns how options are refused: one sentence that names the option and its value."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real

Option = int | float | str  # of a kind from outside the package


def parse_levels(text: str) -> list[int]:
    """Reads "8,6,5" as [8, 6, 5].

    Raises:
        ValueError: if these are not whole numbers of at least 2.
    """
    parts = [part.strip() for part in text.split(",")]
    require(
        all(part.isdecimal() and int(part) >= 2 for part in parts),
        "`vq_levels` must be whole numbers of at least 2 between commas",
        repr(text),
    )
    return [int(part) for part in parts]


def read_options(text: str, defaults: Mapping[str, Option]) -> dict[str, Option]:
    """Reads "depth=3,noise=0.1" as options of the types that their defaults have.

    Args:
        text: `vq_options`.
        defaults: the options there are, and their values if they are not named.

    Raises:
        ValueError: if there is no such option, or its value is of another type.
    """
    options = dict(defaults)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        name, value = name.strip(), value.strip()
        listed = ", ".join(defaults) or "nothing, as this kind has none"
        require(name in defaults, f"`vq_options` must name {listed}", repr(part))
        kind = type(defaults[name])
        try:
            options[name] = kind(value)
        except ValueError:
            sentence = f"`{name}` of `vq_options` must be of type {kind.__name__}"
            raise ValueError(f"{sentence}, but is {value!r} instead.") from None
    return options


KINDS: dict[type, tuple[type, str]] = {  # of a default: what is one, how it is called
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a text"),
}


def of_its_type(name: str, value: object, default: object) -> None:
    """Refuses a value that is not of the type that an option's default has.

    Raises:
        ValueError: if it is not.
    """
    if type(default) not in KINDS:
        return
    kind, called = KINDS[type(default)]
    fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    require(fits, f"`{name}` must be {called}", repr(value))


def one_of(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuses a value that is none of the choices.

    Raises:
        ValueError: if it is not.
    """
    listed = ", ".join(repr(choice) for choice in choices)
    require(value in choices, f"`{name}` must be one of {listed}", repr(value))


def require(condition: bool, sentence: str, value: object) -> None:
    """Refuses a value: "`x` must be …" becomes "`x` must be …, but is … instead".

    Raises:
        ValueError: if the condition does not hold.
    """
    if not condition:
        raise ValueError(f"{sentence}, but is {value} instead.")
