"""Where a line that is too long for a model is taken apart: at its sentences' ends.

The ends are found by sentencex, which knows the abbreviations, quotation marks and full
stops of a language, and takes some 0.03 ms a sentence. It is imported when the first
line is that long.
"""

from typing import Any, NamedTuple

PIECE = 128  # subwords; a longer sentence is cut, unless the training had longer ones
# sentencex takes every white space for one byte, and panics within a longer one.
SPACES = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
SPACES += "\u200a\u2028\u2029\u202f\u205f\u3000"
ONE_BYTE = str.maketrans(dict.fromkeys(SPACES, " "))


class Limits(NamedTuple):
    """How long what a model translates at once may be, in subwords with the end."""

    line: int  # a longer one is taken apart at the ends of its sentences
    piece: int  # a longer sentence is cut between words

    @classmethod
    def of(cls, most: int, trained: Any = None) -> "Limits":
        """Returns the limits of a model.

        Args:
            most: positions that it has.
            trained: how long the sources of its training were; None, or what is no
                length, where that is not known.
        """
        known = isinstance(trained, int) and trained > 1
        line = trained if known else PIECE
        return cls(min(line, most), min(max(line, PIECE), most))


def split(text: str, language: str) -> list[str]:
    """Takes a line apart at the ends of its sentences; joined, they are the line.

    Args:
        text: a line.
        language: its short name; others than sentencex knows are split as English is.
    """
    import sentencex

    short = language.replace("-", "_").partition("_")[0].lower()
    try:
        lengths = list(map(len, sentencex.segment(short, text.translate(ONE_BYTE))))
    except BaseException as error:
        # A panic of Rust is no Exception. A line must not fail for want of its ends.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return [text]
        raise
    if sum(lengths) != len(text):
        return [text]
    sentences, start = [], 0
    for length in lengths:
        sentences.append(text[start : start + length])
        start += length
    return sentences
