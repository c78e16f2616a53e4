"""Raw text to tensors of subword indices and back, by what `text` does."""

import torch

from ..text.codec import PIECE, TEXT_FILE, IndexCodec, read_description

__all__ = ["PIECE", "TEXT_FILE", "TextCodec", "read_description"]


class TextCodec(IndexCodec):
    """Raw sentences to subword indices and back, see `IndexCodec`."""

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        return torch.tensor(self.source_indices(sentence))

    def encode_target(self, sentence: str) -> torch.Tensor:
        """Turns a raw reference into target indices, end of sentence included."""
        return torch.tensor(self.target_indices(sentence))

    def pieces(self, tokens: torch.Tensor, size: int = PIECE) -> list[torch.Tensor]:
        """Cuts a sentence of more than `size` subwords, see `IndexCodec.cut`."""
        return [torch.tensor(piece) for piece in self.cut(tokens.tolist(), size)]

    def decode(self, tokens: torch.Tensor) -> str:
        """Turns target indices into a raw sentence, in one line."""
        return self.sentence(tokens.tolist())

    def subwords(self, tokens: torch.Tensor) -> list[str]:
        """Names the target indices."""
        return self.names(tokens.tolist())
