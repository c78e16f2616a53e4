"""What the four stages share beside the Transformer: positions and convolutions."""

import torch.nn.functional as F
from fairseq.modules import Fp32LayerNorm, SinusoidalPositionalEmbedding
from torch import Tensor, nn

from ..nn.dropout import Dropout


class Positions(nn.Module):
    """Sinusoidal position embeddings, numbered as fairseq numbers left-aligned text.

    Args:
        width: C.
        max_length: longest sequence.
        stride: how many words a position is from the next one.
    """

    OFFSET = 2  # fairseq counts from padding_idx + 1

    def __init__(self, width: int, *, max_length: int = 1024, stride: int = 1) -> None:
        super().__init__()
        rows = max_length * stride + self.OFFSET
        table = SinusoidalPositionalEmbedding.get_embedding(rows, width)
        table = table[self.OFFSET :: stride].clone()
        self.register_buffer("table", table, persistent=False)
        self.table: Tensor

    def forward(self, length: int, *, start: int = 0) -> Tensor:
        """Returns the embeddings of `start` … `start + length - 1`. Shape: (T, C)."""
        if start + length > self.table.size(0):
            raise ValueError(
                f"a sequence must have at most {self.table.size(0)} positions, "
                f"but has {start + length} instead."
            )
        return self.table[start : start + length]


class MaskedConv(nn.Module):
    """One-dimensional convolution that padding cannot reach.

    Args:
        width: C.
        kernel: odd kernel size.
        stride: 1, or 2 to halve the length.
    """

    def __init__(self, width: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, stride, padding=kernel // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Convolves real positions. Shape: (B, T, C), (B, T) → (B, T / stride, C)."""
        x = x * mask.unsqueeze(-1)  # what stands in padding is never seen
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class ResidualConv(nn.Module):
    """Pre-norm residual convolution. Shape: (B, T, C) → (B, T, C)."""

    def __init__(self, width: int, dropout: float, kernel: int = 3) -> None:
        super().__init__()
        self.norm = Fp32LayerNorm(width)
        self.conv = MaskedConv(width, kernel=kernel)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Adds the convolution's output. Shape: (B, T, C), mask (B, T) → (B, T, C)."""
        return x + self.dropout(F.relu(self.conv(self.norm(x), mask)))
