"""Owns what phrases of the demo corpus are made of: wordings, draws, numbers."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from num2words import num2words

Item = TypeVar("Item")


class Phrase(NamedTuple):
    """An English phrase and every German wording of it."""

    english: str
    german: tuple[str, ...]


class Draw:
    """A source of random choices that is the same for every Python version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choice(self, items: Sequence[Item]) -> Item:
        """Returns one of the items; `random()` is the one stable method."""
        return items[int(self._random.random() * len(items))]


Slot = Callable[[Draw], Phrase]


@cache
def english(number: int, to: str = "cardinal") -> str:
    """Spells a number in English."""
    return num2words(number, lang="en", to=to)


@cache
def german(number: int, to: str = "cardinal") -> str:
    """Spells a number in German (1 as in counting: "eins")."""
    return num2words(number, lang="de", to=to)


def german_amounts(number: int) -> tuple[str, ...]:
    """Spells a number before a noun: "hundertzwanzig" is as good as "einhundert..."."""
    word = german(number)
    return (word, word.removeprefix("ein")) if 100 <= number < 200 else (word,)


def unique(items: Sequence[str]) -> tuple[str, ...]:
    """Returns the items without repetitions, in order."""
    return tuple(dict.fromkeys(items))


def prefixed(prefix: str, items: Sequence[str]) -> tuple[str, ...]:
    """Returns the items with a prefix."""
    return tuple(prefix + item for item in items)
