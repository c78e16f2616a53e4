"""A text as its reader wrote it: sentences, what stands between them, and HTML."""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import NamedTuple

from ..text.sentences import split

AROUND = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
# What is no text: comments, elements whose text is no language, marked sections, tags.
NO_TEXT = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <(script|style|code|pre|textarea)\b.*?(?:</\1\s*>|\Z)
      | <!\[.*?(?:\]>|\Z)
      | <[/!?]?[a-z](?:[^"'<>]|"[^"]*"|'[^']*')*+>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


class Frame(NamedTuple):
    """A text without its sentences: what stands before, between and behind them."""

    between: list[str]  # one more than there are sentences
    escaped: bool  # whether sentences are part of HTML

    def fill(self, sentences: Sequence[str]) -> str:
        """Puts sentences in, as many as were taken out."""
        if self.escaped:
            sentences = [escape(sentence, quote=False) for sentence in sentences]
        parts = [self.between[0]]
        for sentence, behind in zip(sentences, self.between[1:], strict=True):
            parts += [sentence, behind]
        return "".join(parts)


def take_apart(text: str, language: str, html: bool = False) -> tuple[Frame, list[str]]:
    """Parts a text into sentences, and the frame that they came from.

    Args:
        text: any text; line ends and spaces around sentences stay in the frame.
        language: code of its language, whose abbreviations do not end a sentence.
        html: whether it is HTML; tags, comments and scripts stay in the frame.
    """
    between, sentences = [""], []
    for piece, is_text in pieces_of_html(text) if html else [(text, True)]:
        if not is_text:
            between[-1] += piece
            continue
        for part in sentences_of(piece, language):
            match = AROUND.fullmatch(part)
            assert match is not None
            before, sentence, behind = match.groups()
            between[-1] += before
            if sentence:
                sentences.append(sentence)
                between.append("")
            between[-1] += behind
    return Frame(between, html), sentences


def sentences_of(text: str, language: str) -> list[str]:
    """Cuts a text at line ends and behind sentences; the parts joined are the text."""
    return [
        part
        for line in text.splitlines(keepends=True)
        for part in split(line, language)
    ]


def pieces_of_html(text: str) -> list[tuple[str, bool]]:
    """Cuts HTML into pieces, and tells which of them are text for a reader.

    A tag that does not end is text. The time grows with the length alone, whatever
    stands in it.
    """
    pieces, start = [], 0
    for match in NO_TEXT.finditer(text):
        pieces.append((unescape(text[start : match.start()]), True))
        pieces.append((match[0], False))
        start = match.end()
    pieces.append((unescape(text[start:]), True))
    return pieces
