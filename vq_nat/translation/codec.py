"""Raw text to tensors of subword indices and back, by what `text` does."""

import torch

from ..text.codec import TEXT_FILE, IndexCodec, Limits, read_description

__all__ = ["TEXT_FILE", "Limits", "TextCodec", "read_description"]


class TextCodec(IndexCodec):
    """Raw sentences to subword indices and back, see `IndexCodec`."""

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        return torch.tensor(self.source_indices(sentence))

    def encode_target(self, sentence: str) -> torch.Tensor:
        """Turns a raw reference into target indices, end of sentence included."""
        return torch.tensor(self.target_indices(sentence))

    def pieces(self, line: str, limits: Limits) -> list[torch.Tensor]:
        """Turns a raw line into pieces that the model can read, see `source_pieces`."""
        return [torch.tensor(piece) for piece in self.source_pieces(line, limits)]

    def decode(self, tokens: torch.Tensor) -> str:
        """Turns target indices into a raw sentence, in one line."""
        return self.sentence(tokens.tolist())

    def subwords(self, tokens: torch.Tensor) -> list[str]:
        """Names the target indices."""
        return self.names(tokens.tolist())
