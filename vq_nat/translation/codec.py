"""Raw text to subword indices and back."""

from argparse import Namespace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from fairseq.data import encoders
from sacremoses import MosesPunctNormalizer

from ..files import reading
from .text_folder import CODES, TEXT_FILE, read_description

__all__ = ["PIECE", "TEXT_FILE", "TextCodec", "normalizer_of"]
PIECE = 128  # subwords; a longer sentence is translated in pieces


class TextCodec:
    """Raw sentences to subword indices and back.

    Args:
        folder: holds `text.json` and `bpe.codes` or `sentencepiece.model`.
        source: source dictionary.
        target: target dictionary.

    Raises:
        FileNotFoundError: if a file is missing.
        BadFile: if one is not what it must be, or not what it was.
    """

    def __init__(self, folder: Path, source: Any, target: Any) -> None:
        text = read_description(folder)
        languages = {k: text[k] for k in ("source_lang", "target_lang")}
        self.normalizer = normalizer_of(languages["source_lang"])
        self.tokenizer = encoders.build_tokenizer(
            Namespace(tokenizer=text["tokenizer"], **languages)
        )
        subwords = {
            "bpe_codes": str(folder / "bpe.codes"),
            "sentencepiece_model": str(folder / "sentencepiece.model"),
        }
        codes = folder / CODES[text["bpe"]]
        with reading(codes, f"the subword codes of {text['bpe']}"):
            self.bpe = encoders.build_bpe(Namespace(bpe=text["bpe"], **subwords))
        self.spaced = text["bpe"] == "sentencepiece"  # marks words where they begin
        self.source, self.target = source, target
        self.text = text

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        words = self.tokenizer.encode(self.normalizer.normalize(sentence))
        return self._index(words, self.source)

    def encode_target(self, sentence: str) -> torch.Tensor:
        """Turns a raw reference into target indices, end of sentence included."""
        normalizer, tokenizer = self._of_target
        words = tokenizer.encode(normalizer.normalize(sentence))
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


def normalizer_of(language: str) -> MosesPunctNormalizer:
    """Returns the normaliser that corpora are prepared with."""
    return MosesPunctNormalizer(language, norm_quote_commas=False, norm_numbers=False)
