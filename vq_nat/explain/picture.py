"""Sentences with their codes, and what becomes of each if one code is another.

Neither torch nor anything else that is heavy: the translator does the work.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..inspected import Codes, Inspection, parts_of
from ..translated import TextDoor


class Swap(NamedTuple):
    """What becomes of a translation if one code is another."""

    code: tuple[int, ...]
    probability: float  # of this code instead, after the codes before it
    words: list[str]  # subwords of the whole translation
    text: str


class Step(NamedTuple):
    """One step of codes."""

    code: tuple[int, ...]
    probability: float
    words: list[str]  # those at its positions
    swaps: list[Swap]


class Picture(NamedTuple):
    """One sentence and its codes."""

    source: str
    output: str
    words: list[str]
    steps: list[Step]
    words_per_code: int
    score: float = 0.0
    passes: list[list[str]] = []  # the words of every pass of refinement


def draw(
    translator: TextDoor,
    sentences: Sequence[str],
    swaps: int = 4,
    codes: Sequence[Codes | None] | None = None,
    passes: int | None = None,
) -> list[Picture]:
    """Translates sentences, and each again with each code swapped for its rivals.

    Args:
        translator: of a model with codes.
        sentences: raw text.
        swaps: rivals of each code.
        codes: to begin with, of each sentence; None = those that are predicted.
        passes: of refinement; None = as loaded.

    Raises:
        ValueError: if the model has no codes, or a sentence no words.
    """
    inspections = translator.inspect(sentences, codes, rivals=swaps, passes=passes)
    texts, given = [], []
    for sentence, one in zip(sentences, inspections):
        for swapped in swapped_codes(one):
            texts.append(sentence)
            given.append(swapped)
    others = iter(
        translator.inspect(texts, given, rivals=0, passes=passes) if texts else []
    )
    return [
        picture(sentence, one, others) for sentence, one in zip(sentences, inspections)
    ]


def swapped_codes(one: Inspection) -> Iterator[Codes]:
    """Yields the codes of a translation with each rival in its place."""
    codes = one.codes
    for place, step in enumerate(one.steps):
        for rival in step.rivals:
            yield [*codes[:place], rival.codes, *codes[place + 1 :]]


def picture(sentence: str, one: Inspection, others: Iterator[Inspection]) -> Picture:
    """Puts together what is known of a sentence.

    Args:
        sentence: raw text.
        one: its translation.
        others: yields the translations with each rival, see `swapped_codes`.
    """
    parts = parts_of(one.tokens, len(one.steps), words_per_code=one.words_per_code)
    steps = []
    for step, words in zip(one.steps, parts):
        offered = []
        for rival in step.rivals:
            other = next(others)
            code = tuple(rival.codes)
            offered.append(Swap(code, rival.probability, other.tokens, other.text))
        steps.append(Step(tuple(step.codes), step.probability, words, offered))
    return Picture(
        sentence,
        one.text,
        one.tokens,
        steps,
        one.words_per_code,
        one.score,
        one.passes,
    )
