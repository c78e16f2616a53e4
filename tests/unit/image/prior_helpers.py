"""What the tests of priors share: small ones that have learned something."""

import torch
from torch import Tensor

from vq_nat.image.prior import CodeGrid, CodePrior
from vq_nat.image.prior_config import CodePriorConfig

GRIDS = [CodeGrid(2, 3, 1, 5), CodeGrid(2, 2, 3, 4)]


def config(layers: int = 2) -> CodePriorConfig:
    """Small sizes, without dropout."""
    return CodePriorConfig(
        decoder_embed_dim=16,
        decoder_ffn_embed_dim=32,
        decoder_attention_heads=2,
        decoder_layers=layers,
        dropout=0.0,
    )


def tiny(grid: CodeGrid) -> CodePrior:
    """A prior that has learned something, whatever it is."""
    prior = CodePrior(config(), grid).eval()
    torch.nn.init.normal_(prior.head.weight)
    torch.nn.init.normal_(prior.head.bias)
    return prior


def some_codes(grid: CodeGrid, count: int = 4) -> Tensor:
    """Random codes. Shape: (count, L, G)."""
    return torch.randint(grid.codes, (count, grid.length, grid.slices))
