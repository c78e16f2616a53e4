"""Stage 2, training only: target words → one vector per 2^n_c words."""

from typing import Optional

from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from ..nn.transformer import Attention
from .config import TransformerSize
from .flow import EncodedSource, Latents, latent_mask
from .layers import MaskedConv, Positions, ResidualConv


class TargetCompressor(nn.Module):
    """Residual convolutions, then n_c strided ones (Roy et al. 2018, section 4.1).

    Each strided convolution halves the length. Masks are carried through all of them:
    what stands in padding cannot change a latent.

    Args:
        size: widths shared by all stages.
        steps: n_c, the number of halvings.
        residual_blocks: residual convolutions before them.
        source_attention: whether latents attend to the source as well.
    """

    def __init__(
        self,
        size: TransformerSize,
        *,
        steps: int,
        residual_blocks: int,
        source_attention: bool,
    ) -> None:
        super().__init__()
        self.positions = Positions(size.width, max_length=size.max_positions)
        self.blocks = nn.ModuleList(
            ResidualConv(size.width, size.dropout) for _ in range(residual_blocks)
        )
        self.halvings = nn.ModuleList(
            MaskedConv(size.width, kernel=3, stride=2) for _ in range(steps)
        )
        self.refinements = nn.ModuleList(
            ResidualConv(size.width, size.dropout) for _ in range(steps)
        )
        self.source_norm = Fp32LayerNorm(size.width) if source_attention else None
        self.source_attn = (
            Attention(size.width, heads=size.heads) if source_attention else None
        )
        self.layer_norm = Fp32LayerNorm(size.width)

    def forward(
        self, embedded: Tensor, mask: Tensor, source: Optional[EncodedSource] = None
    ) -> Latents:
        """Compresses left-aligned target embeddings.

        Args:
            embedded: (B, L · 2^n_c, C).
            mask: (B, L · 2^n_c).
            source: needed with source attention only.

        Returns:
            z_e: (B, L, C) and its mask.
        """
        x = embedded + self.positions(embedded.size(1))
        for block in self.blocks:
            x = block(x, mask)
        for halving, refinement in zip(self.halvings, self.refinements):
            x, mask = halving(x, mask), latent_mask(mask, chunk=2)
            x = refinement(x, mask)
        if self.source_attn is not None and self.source_norm is not None:
            assert source is not None, "source attention needs the encoded source"
            memory = self.source_attn.project(source.states)
            x = x + self.source_attn(self.source_norm(x), memory, source.mask)
        # The norm bounds |z_e|, so that distances do not drift with training.
        return Latents(self.layer_norm(x), mask)
