"""Owns which translated pairs become training pairs, and why the others do not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from data_prep.lib.text import undo_bpe


class Pair(NamedTuple):
    """A pair in subwords, and where it comes from."""

    source: str
    target: str
    part: str  # train (the teacher's), mono (the teacher's) or human
    line: int  # in its source file, from 1
    rank: int = 0  # among a sentence's translations, from 0
    score: float | None = None  # the teacher's, per subword


@dataclass(frozen=True)
class Limits:
    """What a pair must keep; None switches a filter off."""

    max_length: int = 250
    max_ratio: float | None = None
    max_copy: float | None = None
    max_repetition: float | None = None
    min_score: float | None = None

    def describe(self) -> dict[str, Any]:
        """Returns the limits for stamps and manifests."""
        return asdict(self)


def find_fault(pair: Pair, limits: Limits) -> str | None:
    """Returns the name of the first limit that a pair breaks."""
    lengths = len(pair.source.split()), len(pair.target.split())
    if min(lengths) == 0:
        return "empty"
    if max(lengths) > limits.max_length:
        return "too long"
    if pair.part == "human":  # the other filters are about teachers
        return None
    measures: tuple[tuple[str, float | None, Callable[[], float]], ...] = (
        ("length ratio", limits.max_ratio, lambda: max(lengths) / min(lengths)),
        ("copy of source", limits.max_copy, lambda: copied_share(pair)),
        ("repetition", limits.max_repetition, lambda: repeated_share(pair.target)),
    )
    for name, limit, measure in measures:
        if limit is not None and measure() > limit:
            return name
    if limits.min_score is not None and (pair.score or 0.0) < limits.min_score:
        return "teacher score"
    return None


def copied_share(pair: Pair) -> float:
    """Returns the share of target words that stand in the source, each used once."""
    source, target = (Counter(undo_bpe(side).split()) for side in pair[:2])
    return (source & target).total() / target.total()


def repeated_share(subwords: str) -> float:
    """Returns the share of word pairs that the sentence has had before."""
    words = undo_bpe(subwords).split()
    pairs = list(zip(words, words[1:]))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0
