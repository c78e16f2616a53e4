"""Raw sentences to subword indices and back."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from ..files import reading
from . import quotes
from .detokenizer import MosesDetokenizer
from .dictionary import Vocabulary
from .folder import CODES, PREFIXES, QUOTES, TEXT_FILE, read_description
from .lines import clean
from .memo import Memo
from .punctuation import normalise
from .sentences import Limits, split
from .subwords import BytePairs, SentencePieces, Subwords
from .tokenizer import MosesTokenizer

__all__ = [
    *("CODES", "PREFIXES", "TEXT_FILE", "IndexCodec", "Limits", "Text", "Tokenizer"),
]
UNKNOWN = "⁇"
SPACES = re.compile(r"\s+")


class Tokenizer(Protocol):
    """Cuts lines into tokens, and joins them again."""

    def encode(self, text: str) -> str:
        """Cuts a line."""

    def tokens(self, text: str) -> list[str]:
        """Cuts a line."""

    def decode(self, text: str) -> str:
        """Joins tokens."""


class Moses:
    """Moses's tokeniser of one language and detokeniser of another.

    Args:
        source: language of what is cut.
        target: language of what is joined.
        prefixes: see `MosesTokenizer`.
        plain_quotes: whether what is joined has straight quotation marks alone.
    """

    def __init__(
        self,
        source: str,
        target: str,
        prefixes: list[str] | None,
        plain_quotes: bool = True,
    ) -> None:
        cutter = MosesTokenizer(source, prefixes)
        self.encode, self.tokens = cutter.encode, cutter.tokens
        joiner = MosesDetokenizer(target)
        self.decode: Callable[[str], str] = joiner.decode
        if not plain_quotes:
            self.decode = partial(quotes.join, language=target, decode=joiner.decode)


class Spaces:
    """Leaves text as it is, but for spaces."""

    def encode(self, text: str) -> str:
        """Makes each white space one space."""
        return SPACES.sub(" ", text)

    def tokens(self, text: str) -> list[str]:
        """Cuts at white space."""
        return text.split()

    def decode(self, text: str) -> str:
        """Returns the text."""
        return text


class Text:
    """How a corpus was prepared.

    Args:
        folder: holds `text.json` and `bpe.codes` or `sentencepiece.model`.
        languages: source and target of a model, which may translate against the
            direction that the corpus was prepared for; None = as prepared.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if it was prepared in a way that is not known, or for other
            languages.
    """

    def __init__(self, folder: Path, languages: tuple[str, str] | None = None) -> None:
        self.recipe = read_description(folder)
        self.languages = self._fitting(folder / TEXT_FILE, languages)
        path = folder / CODES[self.recipe["bpe"]]
        pairs = self.recipe["bpe"] == "subword_nmt"
        with reading(path, f"the subword codes of {self.recipe['bpe']}"):
            self.subwords: Subwords = BytePairs(path) if pairs else SentencePieces(path)

    def _fitting(
        self, path: Path, languages: tuple[str, str] | None
    ) -> tuple[str, str]:
        """Returns the model's languages, for which the text must be prepared."""
        prepared = self.recipe["source_lang"], self.recipe["target_lang"]
        if languages is not None and sorted(languages) != sorted(prepared):
            raise ValueError(
                f"{path} must be of the model's languages ({', '.join(languages)}), "
                f"but is of {', '.join(prepared)} instead."
            )
        return languages or prepared

    def tokenizer(self, source: str, target: str) -> Tokenizer:
        """Returns what cuts one language and joins another."""
        if self.recipe["tokenizer"] == "space":
            return Spaces()
        prefixes = self.recipe.get(PREFIXES, {}).get(source)
        return Moses(source, target, prefixes, self.plain_quotes(target))

    def plain_quotes(self, language: str) -> bool:
        """Tells whether a language's text was prepared without its quotation marks."""
        return language in self.recipe.get(QUOTES, self.languages)

    def cleaned(self, sentence: str, language: str) -> str:
        """Returns a raw sentence as it is cut: cleaned, its punctuation normalised."""
        return normalise(clean(sentence), self.plain_quotes(language))


class IndexCodec:
    """Raw sentences to lists of subword indices and back.

    Args:
        folder: see `Text`.
        source: source dictionary.
        target: target dictionary.
        languages: see `Text`.
    """

    def __init__(
        self,
        folder: Path,
        source: Vocabulary,
        target: Vocabulary,
        languages: tuple[str, str] | None = None,
    ) -> None:
        self.recipe = Text(folder, languages)
        self.bpe = self.recipe.subwords
        self.spaced = self.bpe.spaced  # marks words where they begin
        self.tokenizer = self.recipe.tokenizer(*self.recipe.languages)
        self.source, self.target = source, target
        self.text = self.recipe.recipe
        self._of_source = self._remembered(source)
        self._of_target = self._remembered(target)

    def source_indices(self, sentence: str) -> list[int]:
        """Turns a raw sentence into source indices, end of sentence included."""
        text = self.recipe.cleaned(sentence, self.recipe.languages[0])
        tokens = self.tokenizer.tokens(text)
        return self._joined(tokens, self._of_source, self.source)

    def target_indices(self, sentence: str) -> list[int]:
        """Turns a raw reference into target indices, end of sentence included."""
        text = self.recipe.cleaned(sentence, self.recipe.languages[1])
        tokens = self._target_tokenizer.tokens(text)
        return self._joined(tokens, self._of_target, self.target)

    @cached_property
    def _target_tokenizer(self) -> Tokenizer:
        language = self.recipe.languages[1]
        return self.recipe.tokenizer(language, language)

    def _joined(
        self,
        tokens: list[str],
        numbers: Memo[str, list[int]],
        dictionary: Vocabulary,
    ) -> list[int]:
        if self.spaced:  # a piece may depend on the whole line
            tokens = self.bpe.pieces(tokens)
        indices: list[int] = []
        for token in tokens:
            indices += numbers[token]
        indices.append(dictionary.eos())
        return indices

    def _remembered(self, dictionary: Vocabulary) -> Memo[str, list[int]]:
        return Memo(lambda token: self._numbers(token, dictionary))

    def _numbers(self, token: str, dictionary: Vocabulary) -> list[int]:
        """Returns the indices of a token, or of a piece of SentencePiece."""
        pieces = [token] if self.spaced else self.bpe.pieces([token])
        indices = map(dictionary.index, pieces)
        # "</s>" or "<pad>" as text are words that are not known, and not signs.
        least, unknown = dictionary.nspecial, dictionary.unk()
        return [unknown if index < least else index for index in indices]

    def source_pieces(self, line: str, limits: Limits) -> list[list[int]]:
        """Turns a raw line into what is translated at once, each with its end.

        A line that is too long is taken apart at the ends of its sentences, and of
        these one that is too long is cut. Without words there is no piece.

        Args:
            line: raw text.
            limits: of the model.
        """
        whole = self.source_indices(line)
        if len(whole) <= limits.line:
            return [whole] if len(whole) > 1 else []
        sentences = split(clean(line), self.recipe.languages[0])
        each = [whole]
        if len(sentences) > 1:
            each = [self.source_indices(sentence) for sentence in sentences]
        return [piece for one in each for piece in self.cut(one, limits.piece)]

    def cut(self, indices: list[int], size: int) -> list[list[int]]:
        """Cuts a sentence of more than `size` subwords, between words if it can.

        Every piece ends in an end of sentence; without words there is no piece.
        """
        words, pieces = indices[:-1], []
        while words:
            end = len(words)
            if end >= size:
                ends = range(size - 1, size // 2, -1)
                end = next((i for i in ends if self._word_ends(words, i)), size - 1)
            pieces.append([*words[:end], *indices[-1:]])
            words = words[end:]
        return pieces

    def _word_ends(self, words: list[int], place: int) -> bool:
        """Tells whether a word ends before `place`."""
        before, after = (self.source[word] for word in words[place - 1 : place + 1])
        return after.startswith("▁") if self.spaced else not before.endswith("@@")

    def sentence(self, indices: list[int]) -> str:
        """Turns target indices into a raw sentence, in one line."""
        dictionary = self.target
        silent = dictionary.eos(), dictionary.bos()
        unknown = dictionary.unk()
        words = [
            UNKNOWN if index == unknown else dictionary[index]
            for index in indices
            if index not in silent
        ]
        text = self.tokenizer.decode(self.bpe.decode(" ".join(words)))
        return " ".join(text.splitlines())

    def spelled(self, tokens: Sequence[str]) -> str:
        """Joins the names of target indices, a part of a sentence, for a reader."""
        dictionary = self.target
        signs = [dictionary[i] for i in (dictionary.eos(), dictionary.bos())]
        words = [token for token in tokens if token not in signs]
        return self.bpe.decode(" ".join(words))

    def names(self, indices: list[int]) -> list[str]:
        """Names the target indices."""
        return [self.target[index] for index in indices]
