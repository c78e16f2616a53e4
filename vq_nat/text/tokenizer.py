"""Moses's tokeniser, by words.

The substitutions are those of sacremoses's `MosesTokenizer.tokenize` with dashes split
and signs escaped. None of them looks farther than one character, or than the beginning
of the next token, so that a word's tokens follow from the word, and from what stands
beside it if it holds a full stop, a comma or an apostrophe; they are computed once.
"""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from .characters import ALNUM, LETTERS, NUMBERS, letter, unknown
from .memo import Memo

Expression = tuple[re.Pattern[str], str]
NUMERIC_ONLY = re.compile(r"\s#NUMERIC_ONLY#")


def expression(pattern: str, new: str) -> Expression:
    """Compiles a substitution; A stands for letters, D for numbers, W for both."""
    for name, characters in (("A", LETTERS), ("D", NUMBERS), ("W", ALNUM)):
        pattern = pattern.replace(f"<{name}>", characters)
    return re.compile(pattern), new


SYMBOLS = expression(r"([^<W>\s\.'\`\,\-])", r" \1 ")
DASHES = expression(r"([<W>])\-(?=[<W>])", r"\1 @-@ ")
DOTS = re.compile(r"\.{2,}")
MARKED_DOTS = re.compile(r"(?:DOT)+MULTI")
COMMAS = [
    expression(r"([^<D>])[,]", r"\1 , "),
    expression(r"[,]([^<D>])", r" , \1"),
    expression(r"([<D>])[,]$", r"\1 , "),
]
LAST_APOSTROPHE = expression(r"\.' ?$", " . ' ")
ESCAPES = {"&": "&amp;", "|": "&#124;", "<": "&lt;", ">": "&gt;"}
ESCAPES |= {"'": "&apos;", '"': "&quot;", "[": "&#91;", "]": "&#93;"}


@lru_cache
def apostrophes(language: str) -> list[Expression]:
    """Returns the rules for apostrophes of a language."""
    if language == "en":
        return [
            expression(r"([^<A>])[']([^<A>])", r"\1 ' \2"),
            expression(r"([^<A><D>])[']([<A>])", r"\1 ' \2"),
            expression(r"([<A>])[']([^<A>])", r"\1 ' \2"),
            expression(r"([<A>])[']([<A>])", r"\1 '\2"),
            expression(r"([<D>])[']([s])", r"\1 '\2"),
        ]
    if language in ("fr", "it"):
        return [
            expression(r"([^<A>])[']([^<A>])", r"\1 ' \2"),
            expression(r"([^<A>])[']([<A>])", r"\1 ' \2"),
            expression(r"([<A>])[']([^<A>])", r"\1 ' \2"),
            expression(r"([<A>])[']([<A>])", r"\1' \2"),
        ]
    return [expression("'", " ' ")]


class Place(NamedTuple):
    """A word and what matters of its surroundings."""

    word: str
    first: bool  # of its line
    last: bool
    follower: str  # what the next word begins with: "a" a small letter, "0" a digit, ""


class MosesTokenizer:
    """Cuts lines into tokens.

    Args:
        language: of the text.
        prefixes: lines of Moses's list of abbreviations; None = sacremoses has them.
    """

    def __init__(self, language: str, prefixes: Sequence[str] | None = None) -> None:
        self.language = language
        lines = prefixes_of(language) if prefixes is None else prefixes
        self.prefixes = frozenset(lines)
        self.numeric_prefixes = frozenset(
            line.rpartition(" ")[0] for line in lines if NUMERIC_ONLY.search(line)
        )
        self._tokens = Memo(self._of_word)
        self._tokens_there = Memo(self._of_place)

    def encode(self, text: str) -> str:
        """Returns the tokens, with a space between."""
        return " ".join(self.tokens(text))

    def tokens(self, text: str) -> list[str]:
        """Cuts a line into tokens."""
        if unknown(text):
            return self._by_sacremoses(text).split()
        words = text.split()
        all_tokens: list[str] = []
        for number, word in enumerate(words):
            tokens = self._tokens[word]
            if tokens is None:
                before, after = words[number - 1 : number], words[number + 1 :]
                if before and word[0] == "'" == before[0][-1]:
                    return self._cut(" ".join(words), True, True, "")
                follower = kind(after[0][0]) if after else ""
                place = Place(word, not number, not after, follower)
                tokens = self._tokens_there[place]
            all_tokens += tokens
        return all_tokens

    def _of_word(self, word: str) -> list[str] | None:
        """Returns the tokens of a word, or None if they depend on its place."""
        if word.isalpha() and "DOTMULTI" not in word:
            return [word]
        if "." in word or "," in word or "'" in word:
            return None
        return self._cut(word, False, False, "")

    def _of_place(self, place: Place) -> list[str]:
        return self._cut(*place)

    def _cut(self, text: str, first: bool, last: bool, follower: str) -> list[str]:
        """Cuts a part of a line into tokens, by Moses's substitutions."""
        text = ("" if first else " ") + text + ("" if last else " ")
        text = substituted(SYMBOLS, text)
        text = substituted(DASHES, text)
        text = marked(text)
        for rule in (*COMMAS, *apostrophes(self.language)):
            text = substituted(rule, text)
        text = " ".join(self._without_full_stops(text.split(), follower))
        if last:
            text = substituted(LAST_APOSTROPHE, text)
        text = MARKED_DOTS.sub(lambda m: "." * ((m.end() - m.start() - 5) // 3), text)
        for sign, name in ESCAPES.items():
            text = text.replace(sign, name)
        return text.split()

    def _without_full_stops(self, tokens: list[str], follower: str) -> list[str]:
        """Cuts off full stops, but those of abbreviations."""
        followers = [*(kind(token[0]) for token in tokens[1:]), follower]
        return [
            f"{token[:-1]} ."
            if len(token) > 1
            and token[-1] == "."
            and not self._keeps(token[:-1], after)
            else token
            for token, after in zip(tokens, followers)
        ]

    def _keeps(self, prefix: str, follower: str) -> bool:
        """Tells whether a full stop belongs to what stands before it."""
        return (
            ("." in prefix and any(map(letter, prefix)))
            or (prefix in self.prefixes and prefix not in self.numeric_prefixes)
            or follower == "a"
            or (follower == "0" and prefix in self.numeric_prefixes)
        )

    def _by_sacremoses(self, text: str) -> str:
        return self._sacremoses.tokenize(
            text, aggressive_dash_splits=True, return_str=True
        )

    @cached_property
    def _sacremoses(self) -> Any:
        from sacremoses import MosesTokenizer as Slow

        return Slow(self.language)


def substituted(rule: Expression, text: str) -> str:
    """Applies a rule."""
    return rule[0].sub(rule[1], text)


def marked(text: str) -> str:
    """Writes a name instead of several dots, so that they stay together."""
    if ".." not in text:
        return text

    def name(match: re.Match[str]) -> str:
        after = " " if match.end() < len(text) else ""
        return f" {'DOT' * (match.end() - match.start())}MULTI{after}"

    return DOTS.sub(name, text)


def kind(character: str) -> str:
    """Tells what a token begins with, as far as it matters to a full stop before it."""
    if character.islower():
        return "a"
    return "0" if character in "0123456789" else ""


def prefixes_of(language: str) -> list[str]:
    """Returns Moses's list of abbreviations, from sacremoses."""
    from sacremoses.corpus import NonbreakingPrefixes

    return [line.strip() for line in NonbreakingPrefixes().words(language)]
