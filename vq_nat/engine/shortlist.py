"""Reads a lexical shortlist: the words that a sentence may use, by those of its source.

The file is that of CTranslate2's `vmap`: a subword of the source, a tab, and subwords
of the target; the line of an empty source has the words that are always allowed.
"""

from pathlib import Path
from typing import Any

from ..files import BadFile, short
from ..text.dictionary import Vocabulary
from ..text.lines import read_lines
from . import engine


def read_shortlist(path: Path, source: Vocabulary, target: Vocabulary) -> Any:
    """Returns a shortlist as the engine wants it.

    Args:
        path: of the file.
        source: dictionary of what is read.
        target: dictionary of what is written.

    Raises:
        FileNotFoundError: if there is none.
        BadFile: if a line is none, or has a word that a dictionary does not have, or
            if no word is always allowed: a source without known words would have none.
    """
    words: dict[int, list[int]] = {}
    always: list[int] = []
    for number, line in enumerate(read_lines(path), start=1):
        word, tab, allowed = line.partition("\t")
        where = f"line {number} of {path}"
        if not tab:
            raise BadFile(f"{where} must have a tab, but is {short(line)}.")
        numbers = [number_of(one, target, where) for one in allowed.split()]
        if not word:
            always += numbers
        else:
            words.setdefault(number_of(word, source, where), []).extend(numbers)
    if not always:
        raise BadFile(
            f"{path} must have a line without a word of the source, of the words that "
            "are always allowed, but has none."
        )
    return lexicon_of(words, always, sources=len(source), targets=len(target))


def number_of(word: str, dictionary: Vocabulary, where: str) -> int:
    """Returns the number of a word in a dictionary.

    Raises:
        BadFile: if it has none.
    """
    number = dictionary.index(word)
    if number == dictionary.unk() and word != dictionary[number]:
        raise BadFile(
            f"{where} must have words of the model's dictionaries, but has "
            f"{short(word)}."
        )
    return number


def lexicon_of(
    words: dict[int, list[int]], always: list[int], *, sources: int, targets: int
) -> Any:
    """Returns a shortlist as the engine wants it.

    Args:
        words: allowed for each word of the source.
        always: those that are always allowed.
        sources: size of the vocabulary that is read.
        targets: size of the vocabulary that is written.
    """
    offsets, flat = [0], []
    for word in range(sources):
        flat += words.get(word, [])
        offsets.append(len(flat))
    return engine().Lexicon(offsets, flat, always, targets)
