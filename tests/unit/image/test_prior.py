"""Priors: exact, causal, and the same with and without a cache."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from prior_helpers import GRIDS, config, some_codes, tiny
from torch import Tensor

from vq_nat.image.prior import CodeGrid, CodePrior, UniformPrior
from vq_nat.nn.transformer import KeyValueBuffer, KeyValues


def all_codes(grid: CodeGrid) -> Tensor:
    symbols = grid.length * grid.slices
    every = list(itertools.product(range(grid.codes), repeat=symbols))
    return torch.tensor(every).view(-1, grid.length, grid.slices)


@pytest.mark.parametrize("grid", [CodeGrid(2, 2, 1, 4), CodeGrid(1, 2, 3, 3)])
@torch.no_grad()
def test_the_probabilities_of_all_grids_sum_to_one(grid: CodeGrid) -> None:
    prior, codes = tiny(grid).double(), all_codes(grid)
    log_probs = prior.log_prob(codes)
    assert log_probs.dtype == torch.float64
    assert log_probs.std() > 0.1  # not the uniform one
    assert float(log_probs.exp().sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_new_prior_is_the_uniform_one(grid: CodeGrid) -> None:
    codes = some_codes(grid)
    prior = CodePrior(config(), grid)
    expected = UniformPrior(grid).log_prob(codes)
    torch.testing.assert_close(prior.log_prob(codes), expected)


def test_the_uniform_prior_costs_the_logarithm_of_its_codes() -> None:
    grid = CodeGrid(8, 8, 10, 256)
    bits = -UniformPrior(grid).log_prob(some_codes(grid, 2)) / math.log(2)
    assert bits.tolist() == pytest.approx([8 * 8 * 10 * 8] * 2)


@pytest.mark.parametrize("grid", GRIDS)
def test_no_code_sees_itself_or_what_follows(grid: CodeGrid) -> None:
    """The gradient of a prediction at every code is 0 from this code on, only there."""
    prior, codes = tiny(grid), some_codes(grid, 1)
    symbols = grid.length * grid.slices
    embedded: list[Tensor] = []

    def keep(module: torch.nn.Module, inputs: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    prior.embed.register_forward_hook(keep)
    if prior.head.embed is not None:
        prior.head.embed.register_forward_hook(keep)
    logits = prior(codes)
    for symbol in range(symbols):
        position, index = divmod(symbol, grid.slices)
        gradients = torch.autograd.grad(
            logits[0, position, index].square().sum(),
            embedded,
            retain_graph=True,
            allow_unused=True,
        )
        seen = torch.zeros(grid.length, grid.slices, dtype=torch.bool)
        for gradient in gradients:
            if gradient is not None:
                used = gradient[0].abs().sum(-1) > 0
                seen[: used.size(0), : used.size(1)] |= used
        flat = seen.flatten()
        assert flat[:symbol].all()
        assert not flat[symbol:].any()


@pytest.mark.parametrize("grid", GRIDS)
def test_steps_with_a_cache_are_the_whole_pass(grid: CodeGrid) -> None:
    prior, codes = tiny(grid), some_codes(grid)
    past = [KeyValueBuffer(grid.length) for _ in prior.layers]
    steps = []
    for position in range(grid.length):
        previous = codes[:, position - 1] if position else None
        hidden = prior.step(previous, past, len(codes))
        slices = []
        for index in range(grid.slices):
            slices.append(prior.head.step(hidden, index))
            hidden = prior.head.add(hidden, index, codes[:, position, index])
        steps.append(torch.stack(slices, dim=1))
    with torch.no_grad():
        torch.testing.assert_close(torch.stack(steps, dim=1), prior(codes))


def test_a_buffer_is_what_joining_gives() -> None:
    parts = [KeyValues(torch.rand(2, 3, n, 4), torch.rand(2, 3, n, 4)) for n in (1, 2)]
    buffer = KeyValueBuffer(3)
    for part in parts:
        last = buffer.append(part)
    joined = parts[0].append(parts[1])
    assert torch.equal(last.keys, joined.keys)
    assert torch.equal(last.values, joined.values)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"decoder_layers": 0}, "`decoder_layers` must be at least 1, but is 0"),
        ({"decoder_embed_dim": 0}, "`decoder_embed_dim` must be at least 1, but is 0"),
        ({"decoder_ffn_embed_dim": -1}, "`decoder_ffn_embed_dim` must be at least 1"),
        ({"decoder_attention_heads": 0}, "`decoder_attention_heads` must be at least"),
        (
            {"decoder_attention_heads": 3},
            r"`decoder_attention_heads` must divide `decoder_embed_dim` \(16\), but is",
        ),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1, but is 1.0"),
        ({"dropout": -0.1}, "`dropout` must be at least 0 and below 1, but is -0.1"),
    ],
)
def test_options_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        CodePrior(replace(config(), **options), GRIDS[0])


def test_weights_of_another_autoencoder_are_refused() -> None:
    one, same, other = (CodePrior(config(1), GRIDS[0], c * 64) for c in "aab")
    same.load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="autoencoder bbbbbbbbbbbb, but was trained"):
        other.load_state_dict(one.state_dict())


def test_all_parameters_are_trained() -> None:
    """None is left over, which data-parallel training would not bear."""
    for grid in GRIDS:
        prior = tiny(grid)
        prior.log_prob(some_codes(grid)).sum().backward()
        assert all(p.grad is not None for p in prior.parameters())
