"""Stage 4: latents → all words at once."""

from typing import Optional

from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from ..nn.dropout import Dropout
from ..nn.transformer import TransformerStack, mask_or_none
from ..registry import Registry
from .config import TRANSFORMER, TransformerSize
from .flow import EncodedSource, Latents, word_mask
from .layers import Positions, ResidualConv

# Classes by `--parallel-decoder`; one is built and called as `ParallelDecoder` is.
DECODERS: Registry[type["ParallelDecoder"]] = Registry(
    "parallel_decoder", "vq_nat.decoders"
)
register_decoder = DECODERS.register


@register_decoder(TRANSFORMER)
class ParallelDecoder(nn.Module):
    """n_c doublings back to word positions, then a Transformer without causal mask.

    Args:
        size: widths shared by all stages.
        steps: n_c.
        layers: number of Transformer layers.
    """

    def __init__(self, size: TransformerSize, *, steps: int, layers: int) -> None:
        super().__init__()
        self.steps = steps
        self.doublings = nn.ModuleList(
            nn.Linear(size.width, 2 * size.width) for _ in range(steps)
        )
        self.refinements = nn.ModuleList(
            ResidualConv(size.width, size.dropout) for _ in range(steps)
        )
        self.positions = Positions(size.width, max_length=size.max_positions + 2**steps)
        self.dropout = Dropout(size.dropout)
        self.layers = TransformerStack(count=layers, **size.layer._asdict())
        self.layer_norm = Fp32LayerNorm(size.width)

    def forward(
        self, latents: Latents, source: EncodedSource, words: Optional[Tensor] = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the states from which all words are predicted.

        Args:
            latents: (B, L, C) and mask.
            source: the encoded source.
            words: (B, L · 2^n_c, C), what is shown at each position: the embedding of
                a word, or of the hidden-word symbol. None = nothing is added.

        Returns:
            States (B, L · 2^n_c, C) and the mask of word positions.
        """
        x, mask = self.upsample(latents)
        if words is not None:
            x = x + words
        x = self.dropout(x + self.positions(x.size(1)))
        own, other = mask_or_none(mask), mask_or_none(source.mask)
        for layer, memory in zip(
            self.layers, self.layers.project_source(source.states)
        ):
            x = layer(x, own, memory, other)
        return self.layer_norm(x), mask

    def upsample(self, latents: Latents) -> tuple[Tensor, Tensor]:
        """Doubles the length n_c times. Shape: (B, L, C) → (B, L · 2^n_c, C)."""
        x, mask = latents.states.to(self.layer_norm.weight.dtype), latents.mask
        for doubling, refinement in zip(self.doublings, self.refinements):
            x = doubling(x).unflatten(-1, (2, -1)).flatten(1, 2)
            mask = word_mask(mask, chunk=2)
            x = refinement(x, mask)
        return x, mask
