"""Raw text to subword indices and back."""

import json
from argparse import Namespace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import torch
from fairseq.data import encoders
from sacremoses import MosesPunctNormalizer

from ..plain_text import clean

TEXT_FILE = "text.json"
SIDES = ("source_lang", "target_lang")
PIECE = 128  # subwords; a longer sentence is translated in pieces


class TextCodec:
    """Raw sentences to subword indices and back.

    Args:
        folder: holds `text.json` and `bpe.codes` or `sentencepiece.model`.
        source: source dictionary.
        target: target dictionary.
        languages: source and target of the model, which may translate against the
            direction that the text was prepared for; None = as prepared.

    Raises:
        ValueError: if the text was prepared for other languages.
    """

    def __init__(
        self,
        folder: Path,
        source: Any,
        target: Any,
        languages: Optional[tuple[str, str]] = None,
    ) -> None:
        text = json.loads((folder / TEXT_FILE).read_text(encoding="utf-8"))
        text |= dict(zip(SIDES, fitting(folder, text, languages)))
        languages_of = {side: text[side] for side in SIDES}
        self.normalizer = normalizer_of(text["source_lang"])
        self.tokenizer = encoders.build_tokenizer(
            Namespace(tokenizer=text["tokenizer"], **languages_of)
        )
        subwords = {
            "bpe_codes": str(folder / "bpe.codes"),
            "sentencepiece_model": str(folder / "sentencepiece.model"),
        }
        self.bpe = encoders.build_bpe(Namespace(bpe=text["bpe"], **subwords))
        self.spaced = text["bpe"] == "sentencepiece"  # marks words where they begin
        self.source, self.target = source, target
        self.text = text

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        words = self.tokenizer.encode(self.normalizer.normalize(clean(sentence)))
        return self._index(words, self.source)

    def encode_target(self, sentence: str) -> torch.Tensor:
        """Turns a raw reference into target indices, end of sentence included."""
        normalizer, tokenizer = self._of_target
        words = tokenizer.encode(normalizer.normalize(clean(sentence)))
        return self._index(words, self.target)

    @cached_property
    def _of_target(self) -> tuple[MosesPunctNormalizer, Any]:
        """Normaliser and tokeniser of the target language."""
        lang = self.text["target_lang"]
        options = Namespace(
            tokenizer=self.text["tokenizer"], source_lang=lang, target_lang=lang
        )
        return normalizer_of(lang), encoders.build_tokenizer(options)

    def _index(self, words: str, dictionary: Any) -> torch.Tensor:
        tokens = dictionary.encode_line(
            self.bpe.encode(words), add_if_not_exist=False, append_eos=True
        ).long()
        # "</s>" or "<pad>" as text are words that are not known, and not signs.
        signs = tokens[:-1] < dictionary.nspecial
        tokens[:-1][signs] = dictionary.unk()
        return tokens

    def pieces(self, tokens: torch.Tensor, size: int = PIECE) -> list[torch.Tensor]:
        """Cuts a sentence of more than `size` subwords, between words if it can.

        Every piece ends in an end of sentence; without words there is no piece.
        """
        words, found = tokens[:-1], []
        while len(words):
            end = len(words)
            if end >= size:
                ends = range(size - 1, size // 2, -1)
                end = next((i for i in ends if self._word_ends(words, i)), size - 1)
            found.append(torch.cat([words[:end], tokens[-1:]]))
            words = words[end:]
        return found

    def _word_ends(self, words: torch.Tensor, place: int) -> bool:
        """Tells whether a word ends before `place`."""
        before, after = (
            self.source[int(word)] for word in words[place - 1 : place + 1]
        )
        return after.startswith("▁") if self.spaced else not before.endswith("@@")

    def decode(self, tokens: torch.Tensor) -> str:
        """Turns target indices into a raw sentence, in one line."""
        subwords = self.target.string(tokens.int().cpu(), unk_string="⁇")
        text = self.tokenizer.decode(self.bpe.decode(subwords))
        return " ".join(text.splitlines())

    def subwords(self, tokens: torch.Tensor) -> list[str]:
        """Names the target indices."""
        return [self.target[int(token)] for token in tokens]


def fitting(
    folder: Path, text: dict[str, Any], languages: Optional[tuple[str, str]]
) -> tuple[str, str]:
    """Returns the languages of a model, for which the text must have been prepared.

    Args:
        folder: of the text, for the message.
        text: what its `text.json` says.
        languages: source and target; None = as prepared.

    Raises:
        ValueError: if they are others than those of the text.
    """
    prepared = text["source_lang"], text["target_lang"]
    if languages is None:
        return prepared
    if sorted(languages) != sorted(prepared):
        raise ValueError(
            f"{folder / TEXT_FILE} must be of the model's languages "
            f"({', '.join(languages)}), but is of {', '.join(prepared)} instead."
        )
    return languages


def normalizer_of(language: str) -> MosesPunctNormalizer:
    """Returns the normaliser that corpora are prepared with."""
    return MosesPunctNormalizer(language, norm_quote_commas=False, norm_numbers=False)
