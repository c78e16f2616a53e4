"""Translations taken apart: codes, what each could have been, and the words behind it.

Letters: L steps, G slices, k words per code.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

Codes = list[list[int]]  # (L, G)


class Rival(NamedTuple):
    """Codes that a step could have had instead: others in one slice."""

    codes: list[int]
    probability: float


class CodeStep(NamedTuple):
    """One step of codes, as the predictor sees it."""

    codes: list[int]  # one of each slice
    probability: float  # after the codes before it
    rivals: list[Rival]  # the most probable first


class Inspection(NamedTuple):
    """A translation that was made from codes, and the codes."""

    text: str
    tokens: list[str]  # subwords, end of sentence included
    steps: list[CodeStep]
    words_per_code: int  # k; step l wrote the tokens from l · k
    score: float  # log p(codes) + log p(words | codes)
    passes: list[list[str]]  # the tokens of every pass, that before refinement first

    @property
    def codes(self) -> Codes:
        """The codes of all steps."""
        return [step.codes for step in self.steps]


def parts_of(
    tokens: Sequence[str], steps: int, *, words_per_code: int
) -> list[list[str]]:
    """Cuts a translation's tokens into those of each step; late ones may have none."""
    starts = range(0, steps * words_per_code, words_per_code)
    return [list(tokens[start : start + words_per_code]) for start in starts]


def given_for(
    sentences: Sequence[str], codes: Sequence[Codes | None] | None
) -> list[Codes | None]:
    """Returns the codes that are given for each sentence; None are to be predicted.

    Raises:
        ValueError: if they are for more or fewer sentences.
    """
    per_sentence: list[Codes | None] = [None] * len(sentences)
    if codes is not None:
        per_sentence = list(codes)
    if len(per_sentence) != len(sentences):
        raise ValueError(
            f"`codes` must be for each of {len(sentences)} sentences, but are for "
            f"{len(per_sentence)} instead."
        )
    return per_sentence


def check_codes(
    codes: Codes, most: int, *, slices: int, kinds: int, never: Collection[int] = ()
) -> None:
    """Refuses codes that a model cannot have.

    Args:
        codes: of a sentence.
        most: steps that there can be.
        slices: G.
        kinds: K, different codes of a slice.
        never: those of them that no step has.

    Raises:
        ValueError: saying what they must be.
    """
    if not 1 <= len(codes) <= most:
        raise ValueError(
            f"`codes` must have from 1 to {most} steps, but have {len(codes)} instead."
        )
    for step in codes:
        if len(step) != slices:
            raise ValueError(
                f"each step of `codes` must have {slices} codes, one of each slice, "
                f"but one has {len(step)} instead."
            )
        for code in step:
            if not 0 <= code < kinds or code in never:
                others = f" and not {' or '.join(map(str, never))}" if never else ""
                raise ValueError(
                    f"`codes` must be from 0 to {kinds - 1}{others}, but one is {code} "
                    "instead."
                )


def check_whole(owners: Sequence[range]) -> None:
    """Refuses sentences that are empty, or so long that they are cut into pieces.

    Args:
        owners: the pieces of each sentence.

    Raises:
        ValueError: naming the sentence.
    """
    for number, pieces in enumerate(owners, 1):
        if not pieces:
            raise ValueError(f"sentence {number} must have words, but has none.")
        if len(pieces) > 1:
            raise ValueError(
                f"sentence {number} must be short enough to be translated at once, but "
                f"is cut into {len(pieces)} pieces instead."
            )
