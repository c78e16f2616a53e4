"""Tells which output words do not exist.

Parallel decoders sometimes join subwords that stand together in no text, as in
"Winterjacksten".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ..text.lines import read_lines

WORD = re.compile(r"[^\W\d_]+")  # letters only: numbers and signs are never broken


def words_of(text: str) -> list[str]:
    """Returns the words of a text without regard to case; a hyphen parts them."""
    return WORD.findall(text.lower())


def all_words(lines: Iterable[str]) -> frozenset[str]:
    """Returns the different words of some lines."""
    return frozenset(word for line in lines for word in words_of(line))


@lru_cache(maxsize=4)
def words_in(path: Path) -> frozenset[str]:
    """Returns the different words of a file."""
    return all_words(read_lines(path))


def broken_words(
    outputs: list[str], sources: list[str], known: frozenset[str]
) -> list[list[str]]:
    """Returns each output's words that are neither known nor in its source.

    Args:
        outputs: translations.
        sources: of each.
        known: words of the target side of the training text.
    """
    broken = []
    for output, source in zip(outputs, sources, strict=True):
        own = words_of(source)
        strange = [word for word in words_of(output) if word not in known]
        broken.append([word for word in strange if word not in own])
    return broken


def broken_share(
    outputs: list[str], sources: list[str], known: frozenset[str]
) -> float:
    """Returns the share of output words that are broken, see `broken_words`."""
    count = sum(len(words_of(output)) for output in outputs)
    return sum(map(len, broken_words(outputs, sources, known))) / max(1, count)
