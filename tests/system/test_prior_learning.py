"""What a prior must learn: a rule that makes every code from the ones before it."""

import math

import pytest
import torch
from torch import Tensor

from vq_nat.image.prior import CodeGrid, CodePrior
from vq_nat.image.prior_config import CodePriorConfig
from vq_nat.image.sampling import sample_codes

pytestmark = pytest.mark.system

CODES = 8


def ruled(first: Tensor, grid: CodeGrid) -> Tensor:
    """Goes on from a first code: slices count up by 3, positions by their row + 1.

    Shape:
        (B,) → (B, L, G).
    """
    rows = torch.arange(grid.length) // grid.width
    shifts = (rows + 1).cumsum(0)[:, None] + 3 * torch.arange(grid.slices)
    return (first[:, None, None] + shifts) % CODES


@pytest.mark.parametrize("slices", [1, 2])
def test_a_rule_is_learned(slices: int) -> None:
    """All that remains uncertain is the first code; samples keep the rule."""
    grid = CodeGrid(3, 4, slices, CODES)
    config = CodePriorConfig(
        decoder_embed_dim=32,
        decoder_ffn_embed_dim=64,
        decoder_attention_heads=2,
        decoder_layers=2,
        dropout=0.0,
    )
    prior = CodePrior(config, grid)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.003)
    for _ in range(400):
        codes = ruled(torch.randint(CODES, (32,)), grid)
        loss = -prior.log_prob(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    prior.eval()
    every = ruled(torch.arange(CODES), grid)
    nats = -prior.log_prob(every).mean()
    assert math.log(CODES) - 0.01 < float(nats.detach()) < math.log(CODES) + 0.3
    drawn = sample_codes(prior, 100)
    shift = ruled(torch.zeros(1, dtype=torch.long), grid)[0, 0, 0]
    kept = (drawn == ruled(drawn[:, 0, 0] - shift, grid)).flatten(1).all(dim=1)
    assert float(kept.float().mean()) > 0.9
    assert len(drawn[:, 0, 0].unique()) > 4
