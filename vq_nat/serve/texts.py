"""A text as its reader wrote it: sentences, what stands between them, and HTML."""

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from typing import NamedTuple

from ..text.sentences import split

AROUND = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
# Elements whose text is no language.
SILENT = ("script", "style", "code", "pre", "textarea")


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
            found = AROUND.fullmatch(part)
            assert found is not None
            before, sentence, behind = found.groups()
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


class Pieces(HTMLParser):
    """Cuts HTML into text and all else, neither of which is lost."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, bool]] = []
        self.silent: list[str] = []

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        """Keeps a tag as it was written."""
        self.found.append((self.get_starttag_text() or "", False))
        if tag in SILENT:
            self.silent.append(tag)

    def handle_startendtag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        """Keeps a tag that ends itself."""
        self.found.append((self.get_starttag_text() or "", False))

    def handle_endtag(self, tag: str) -> None:
        """Keeps the end of an element."""
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()
        self.found.append((f"</{tag}>", False))

    def handle_data(self, data: str) -> None:
        """Keeps text, that of silent elements as it was written."""
        if not self.silent:
            self.found.append((data, True))
            return
        raw = self.silent[-1] in self.CDATA_CONTENT_ELEMENTS
        self.found.append((data if raw else escape(data, quote=False), False))

    def handle_comment(self, data: str) -> None:
        """Keeps a comment."""
        self.found.append((f"<!--{data}-->", False))

    def handle_decl(self, declaration: str) -> None:
        """Keeps a declaration."""
        self.found.append((f"<!{declaration}>", False))

    def handle_pi(self, data: str) -> None:
        """Keeps a processing instruction."""
        self.found.append((f"<?{data}>", False))

    def unknown_decl(self, data: str) -> None:
        """Keeps a marked section."""
        self.found.append((f"<![{data}]>", False))


def pieces_of_html(text: str) -> list[tuple[str, bool]]:
    """Cuts HTML into pieces, and tells which of them are text for a reader."""
    parser = Pieces()
    parser.feed(text)
    parser.close()
    return parser.found
