"""Subwords: byte-pair encoding as subword-nmt writes it, and SentencePiece."""

import heapq
from pathlib import Path
from typing import Any, Protocol

from .memo import Memo

JOINER, END = "@@", "</w>"  # of subwords, of words


class Subwords(Protocol):
    """Cuts tokens into subwords, and joins them again."""

    spaced: (
        bool  # whether a subword's mark says that a word begins, not that it goes on
    )

    def encode(self, text: str) -> str:
        """Cuts the tokens of a line."""

    def pieces(self, tokens: list[str]) -> list[str]:
        """Cuts tokens."""

    def decode(self, text: str) -> str:
        """Joins subwords."""


class BytePairs:
    """Byte-pair encoding (Sennrich et al. 2016), a word at a time.

    Args:
        path: what `subword-nmt learn-bpe` wrote.

    Raises:
        ValueError: if a line has not two subwords.
    """

    spaced = False

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        self.joins_end = lines[0].startswith("#version:")  # the end is part of a letter
        if self.joins_end:
            version = lines.pop(0).split()[-1]
            if version != "0.2":
                raise ValueError(
                    f"{path} must have merges of version 0.2, but has those of "
                    f"{version} instead."
                )
        if not lines:
            raise ValueError(f"{path} must have merges, but has none.")
        self.ranks: dict[tuple[str, ...], int] = {}
        for rank, line in enumerate(lines):
            pair = tuple(line.strip("\r\n ").split(" "))
            if len(pair) != 2:
                raise ValueError(
                    f"{path} must have two subwords a line, but has {line!r} instead."
                )
            self.ranks.setdefault(pair, rank)
        self._of_word = Memo(self._cut)

    def encode(self, text: str) -> str:
        """Cuts the tokens of a line."""
        return " ".join(self.pieces(text.split()))

    def pieces(self, tokens: list[str]) -> list[str]:
        """Cuts tokens."""
        of_word = self._of_word
        return [piece for token in tokens for piece in of_word[token]]

    def decode(self, text: str) -> str:
        """Joins subwords."""
        return f"{text} ".replace(f"{JOINER} ", "").rstrip()

    def _cut(self, word: str) -> list[str]:
        """Merges the letters of a word, the pair that was learned first before all."""
        if len(word) == 1:
            return [word]
        letters = [*word[:-1], word[-1] + END] if self.joins_end else [*word, END]
        letters = merged(letters, self.ranks)
        if letters[-1] == END:
            letters.pop()
        elif letters[-1].endswith(END):
            letters[-1] = letters[-1][: -len(END)]
        return [*(letter + JOINER for letter in letters[:-1]), letters[-1]]


def merged(letters: list[str], ranks: dict[tuple[str, ...], int]) -> list[str]:
    """Merges pairs, in time that grows with the length as sorting does.

    Of all pairs that stand side by side, those of the least rank go first, from the
    left; what was merged stands in the place of the first, and nothing in the other.

    Args:
        letters: of a word.
        ranks: of the pairs that are merged.
    """
    units, end = list(letters), len(letters)
    after, before = [*range(1, end + 1)], [*range(-1, end - 1)]

    def rank_at(place: int) -> int | None:
        if place < 0 or not units[place] or after[place] == end:
            return None
        return ranks.get((units[place], units[after[place]]))

    ranked = ((rank_at(place), place) for place in range(end))
    waiting = [(rank, place) for rank, place in ranked if rank is not None]
    heapq.heapify(waiting)
    while waiting:
        best = waiting[0][0]
        places = []
        while waiting and waiting[0][0] == best:
            places.append(heapq.heappop(waiting)[1])
        for place in places:
            if rank_at(place) != best:
                continue  # one of the two has been merged with another
            other = after[place]
            units[place], units[other] = units[place] + units[other], ""
            after[place] = after[other]
            if after[place] < end:
                before[after[place]] = place
            for start in (before[place], place):  # the pairs that have changed
                rank = rank_at(start)
                if rank is not None:
                    heapq.heappush(waiting, (rank, start))
    return [unit for unit in units if unit]


class SentencePieces:
    """SentencePiece, a line at a time.

    Args:
        path: a model.

    Raises:
        ImportError: if the package sentencepiece is missing.
    """

    spaced = True

    def __init__(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self.processor: Any = SentencePieceProcessor()
        self.processor.Load(str(path))

    def encode(self, text: str) -> str:
        """Cuts a line."""
        return " ".join(self.processor.Encode(text, out_type=str))

    def pieces(self, tokens: list[str]) -> list[str]:
        """Cuts tokens that are joined by spaces."""
        return self.encode(" ".join(tokens)).split()

    def decode(self, text: str) -> str:
        """Joins pieces."""
        return text.replace(" ", "").replace("\u2581", " ").strip()
