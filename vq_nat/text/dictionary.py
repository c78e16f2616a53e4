"""Subwords by number: fairseq's `dict.LANG.txt`, without fairseq."""

from pathlib import Path
from typing import Protocol

from ..files import reading

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
OVERWRITE = " #fairseq:overwrite"


class Vocabulary(Protocol):
    """What text asks of a dictionary, fairseq's or this one."""

    nspecial: int

    def index(self, symbol: str) -> int:
        """Returns a symbol's number, or that of the unknown one."""

    def eos(self) -> int:
        """The end of sentence."""

    def bos(self) -> int:
        """The beginning of sentence."""

    def unk(self) -> int:
        """The unknown symbol."""

    def __getitem__(self, number: int) -> str: ...

    def __len__(self) -> int: ...


class Dictionary:
    """Symbols and their numbers.

    Args:
        symbols: those behind the four special ones.
    """

    nspecial = len(SPECIAL)

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = [*SPECIAL, *symbols]
        self.indices = {symbol: number for number, symbol in enumerate(self.symbols)}

    @classmethod
    def load(cls, path: Path) -> "Dictionary":
        """Reads a file of lines "SYMBOL COUNT".

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if a line is none or not UTF-8, or a symbol comes twice.
        """
        dictionary = cls([])
        # As fairseq: only line feeds and what `open` takes for one end a line.
        with reading(path, "a dictionary"), open(path, encoding="utf-8") as file:
            for line in file:
                dictionary._add(line.rstrip(), path)
        return dictionary

    def _add(self, line: str, path: Path) -> None:
        overwrites = line.endswith(OVERWRITE)
        symbol, _, count = line.removesuffix(OVERWRITE).rpartition(" ")
        if not count.removeprefix("-").isdecimal():
            raise ValueError(
                f'{path} must have lines "SYMBOL COUNT", but has {line!r} instead.'
            )
        if symbol in self.indices and not overwrites:
            raise ValueError(
                f"{path} must have a symbol once, but has {symbol!r} twice."
            )
        self.indices[symbol] = len(self.symbols)
        self.symbols.append(symbol)

    def index(self, symbol: str) -> int:
        """Returns a symbol's number, or that of the unknown one."""
        return self.indices.get(symbol, self.unk())

    def __getitem__(self, number: int) -> str:
        return self.symbols[number] if number < len(self.symbols) else SPECIAL[3]

    def __len__(self) -> int:
        return len(self.symbols)

    def bos(self) -> int:
        """The beginning of sentence."""
        return 0

    def pad(self) -> int:
        """The padding."""
        return 1

    def eos(self) -> int:
        """The end of sentence."""
        return 2

    def unk(self) -> int:
        """The unknown symbol."""
        return 3
