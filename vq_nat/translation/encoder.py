"""Stage 1: source words → states."""

from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from ..nn.dropout import Dropout
from ..nn.transformer import TransformerStack, mask_or_none
from .config import TransformerSize
from .flow import EncodedSource
from .layers import Positions


class SourceEncoder(nn.Module):
    """A Transformer encoder.

    Args:
        size: widths shared by all stages.
        layers: number of layers.
    """

    def __init__(self, size: TransformerSize, layers: int) -> None:
        super().__init__()
        self.positions = Positions(size.width, max_length=size.max_positions)
        self.dropout = Dropout(size.dropout)
        self.layers = TransformerStack(
            count=layers, source=False, **size.layer._asdict()
        )
        self.layer_norm = Fp32LayerNorm(size.width)

    def forward(self, embedded: Tensor, mask: Tensor) -> EncodedSource:
        """Encodes left-aligned source embeddings.

        Args:
            embedded: (B, S, C).
            mask: (B, S).
        """
        x = self.dropout(embedded + self.positions(embedded.size(1)))
        attended = mask_or_none(mask)
        for layer in self.layers:
            x = layer(x, attended)
        return EncodedSource(self.layer_norm(x), mask)
