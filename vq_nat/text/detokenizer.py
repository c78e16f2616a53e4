"""Moses's detokeniser: the rules of sacremoses's `MosesDetokenizer.tokenize`."""

import re
from functools import cached_property
from typing import Any

from .characters import CURRENCY, LETTERS, unknown
from .memo import Memo

# Languages with rules that look at several tokens: theirs are left to sacremoses.
OTHERS = ("cs", "fi", "fr", "ga", "it")
ESCAPES = {"&bar;": "|", "&#124;": "|", "&lt;": "<", "&gt;": ">", "&bra;": "["}
ESCAPES |= {"&ket;": "]", "&quot;": '"', "&apos;": "'", "&#91;": "[", "&#93;": "]"}
ESCAPES |= {"&amp;": "&"}
# What a token is, the first that fits.
KINDS = {
    "opens": re.compile(rf"[{CURRENCY}(\[{{¿¡]+"),
    "closes": re.compile(r"[,.?!:;\\%}\])]+"),
    "contraction": re.compile(rf"'[{LETTERS}].*"),  # of English
    "quotes": re.compile("['\"„“`]+"),
}
GERMAN_QUOTES = re.compile("[„“”]+")


class MosesDetokenizer:
    """Joins tokens.

    Args:
        language: of the text.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._kinds = Memo(self._kind)

    def decode(self, text: str) -> str:
        """Joins tokens with spaces between, as Moses does."""
        if self.language in OTHERS or unknown(text):
            return self._sacremoses.detokenize(text.split())
        return self.join(separate(text))

    def join(self, tokens: list[str]) -> str:
        """Joins tokens that are unescaped."""
        parts: list[str] = []
        quotes: dict[str, int] = {}
        space = " "
        for number, token in enumerate(tokens):
            kind = self._kinds[token]
            if kind == "quotes":
                name = '"' if GERMAN_QUOTES.fullmatch(token) else token
                opens = quotes.get(name, 0) % 2 == 0
                if opens and self._possessive(tokens, number):
                    kind = "closes"
                else:
                    quotes[name] = quotes.get(name, 0) + 1
                    kind = "opens" if opens else "closes"
            elif kind == "contraction":
                kind = "closes" if number else "word"
            if kind != "closes":
                parts.append(space)
            parts.append(token)
            space = "" if kind == "opens" else " "
        return "".join(parts).strip()

    def _kind(self, token: str) -> str:
        for name, pattern in KINDS.items():
            if pattern.fullmatch(token) and (
                name != "contraction" or self.language == "en"
            ):
                return name
        return "word"

    def _possessive(self, tokens: list[str], number: int) -> bool:
        """Tells whether a quote is an apostrophe, as in "the Jones' house"."""
        before = tokens[number - 1][-1] if number else ""
        return self.language == "en" and tokens[number] == "'" and before == "s"

    @cached_property
    def _sacremoses(self) -> Any:
        from sacremoses import MosesDetokenizer as Slow

        return Slow(self.language)


def separate(text: str) -> list[str]:
    """Cuts at spaces, joins what dashes joined, and unescapes."""
    words = text.split()
    if "@-@" in words:
        words = f" {' '.join(words)} ".replace(" @-@ ", "-").split()
    if "&" not in text:
        return words
    text = " ".join(words)
    for name, sign in ESCAPES.items():
        text = text.replace(name, sign)
    return text.split()
