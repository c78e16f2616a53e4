"""What a file may say of a thing: its fields, of their types, and nothing else."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from data_prep.lib.steps import UserError
from data_prep.lib.typed import Least, read_as


@dataclass(frozen=True)
class Pace:
    """Something that is read from text."""

    FORM = 'text as in "3 km"'
    km: int

    @classmethod
    def read(cls, text: str) -> "Pace":
        """Reads "3 km"."""
        return cls(int(text.removesuffix(" km")))


@dataclass(frozen=True)
class Thing:
    """What the tests read."""

    name: str
    size: int
    weight: float = 1.0
    is_red: bool = False
    kind: Literal["a", "b"] = "a"
    repeats: Annotated[int, Least(1)] = 1
    seeds: tuple[int, ...] = ()
    paces: tuple[Pace, ...] | None = None
    rest: dict[str, Any] | None = None


def read(**keys: Any) -> Thing:
    """Reads a thing that is named elsewhere."""
    named = {key.replace("_", "-"): value for key, value in keys.items()}
    return read_as(Thing, "The thing `x`", named, name="x")


def test_each_value_is_read_as_its_type() -> None:
    thing = read(size=1, weight=2, is_red=True, kind="b", seeds=3, paces=["3 km"])
    assert thing == Thing("x", 1, 2, True, "b", 1, (3,), (Pace(3),))
    assert read(size=1, seeds=[], paces=[]) == Thing("x", 1, paces=())
    assert read(size=1, rest={"any": None}).rest == {"any": None}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({}, "The thing `x` must have a `size`."),
        ({"size": True}, "`size` of the thing `x` must be a whole number, but is True"),
        ({"size": 1.5}, "must be a whole number, but is 1.5 instead"),
        ({"size": 1, "colour": 1}, "A key of the thing .* weight, is-red, .* 'colour'"),
        ({"size": 1, "name": "y"}, "A key of the thing `x` must be one of size"),
        (
            {"size": 1, "weight": "1"},
            "`weight` .* must be a number, but is '1'",
        ),
        ({"size": 1, "is_red": 1}, "`is-red` .* must be true or false, but is 1"),
        ({"size": 1, "kind": "c"}, "`kind` of the thing `x` must be one of a, b, but"),
        ({"size": 1, "repeats": 0}, "must be a whole number of at least 1, but is 0"),
        ({"size": 1, "seeds": [1, "x"]}, "must be whole numbers, but one is 'x' inst"),
        ({"size": 1, "paces": [3]}, '`paces` .* must be text as in "3 km", but one i'),
        ({"size": 1, "paces": ["fast"]}, "but one is 'fast' instead"),
        ({"size": 1, "rest": 1}, "`rest` of the thing `x` must be a mapping, but is 1"),
    ],
)
def test_what_is_wrong_is_one_sentence(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(**keys)
