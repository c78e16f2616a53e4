"""Drawing codes: as probable as the prior says, within top-k, the same for a seed."""

from functools import partial

import pytest
import torch
from prior_helpers import GRIDS, tiny
from torch import Tensor

from vq_nat.image.prior import CodeGrid, CodePrior, UniformPrior
from vq_nat.image.sampling import SamplingOptions, choose_codes, sample_codes

LOGITS = torch.tensor([0.0, 2.0, -1.0, 1.0])


def frequencies(options: SamplingOptions, draws: int = 20_000) -> Tensor:
    noise = (torch.arange(draws) + 0.5) / draws  # every quantile once
    codes = choose_codes(LOGITS.expand(draws, -1), noise, options)
    return codes.bincount(minlength=len(LOGITS)) / draws


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_codes_are_drawn_as_probable_as_they_are(temperature: float) -> None:
    shares = frequencies(SamplingOptions(temperature))
    expected = (LOGITS / temperature).softmax(dim=0)
    torch.testing.assert_close(shares, expected, atol=2e-4, rtol=0)


def test_top_k_keeps_the_most_probable_and_their_ratio() -> None:
    shares = frequencies(SamplingOptions(top_k=2))
    assert shares[0] == shares[2] == 0
    assert float(shares[1] / shares[3]) == pytest.approx(2.71828, rel=1e-3)


@pytest.mark.parametrize("options", [SamplingOptions(0.0), SamplingOptions(top_k=1)])
def test_without_temperature_the_most_probable_code_is_taken(
    options: SamplingOptions,
) -> None:
    assert frequencies(options)[1] == 1


@pytest.mark.parametrize("temperature", [1e-30, 1e-45, 1e-300])
@pytest.mark.parametrize("top_k", [0, 2])
def test_a_temperature_close_to_0_is_as_0(temperature: float, top_k: int) -> None:
    """Logits that are divided by it may be larger than any float32."""
    assert frequencies(SamplingOptions(temperature, top_k), draws=10)[1] == 1


def test_what_is_impossible_is_never_drawn() -> None:
    logits = torch.tensor([[-float("inf"), 0.0, 0.0, -float("inf")]]).expand(2, -1)
    noise = torch.tensor([torch.finfo(torch.float32).tiny, 1.0])  # the very ends
    assert choose_codes(logits, noise, SamplingOptions()).tolist() == [1, 2]


def without_cache(prior: CodePrior, noise: Tensor, options: SamplingOptions) -> Tensor:
    """Draws codes by the whole pass for every code."""
    codes = torch.zeros(noise.shape, dtype=torch.long)
    for position in range(prior.grid.length):
        for index in range(prior.grid.slices):
            logits = prior(codes)[:, position, index]
            chosen = choose_codes(logits, noise[:, position, index], options)
            codes[:, position, index] = chosen
    return codes


@pytest.mark.parametrize("grid", GRIDS)
@torch.no_grad()
def test_a_cache_changes_no_sample(grid: CodeGrid) -> None:
    prior, options = tiny(grid), SamplingOptions(0.9, 3)
    noise = 1 - torch.rand(8, grid.length, grid.slices)
    cached = prior.draw(noise, partial(choose_codes, options=options))
    assert torch.equal(cached, without_cache(prior, noise, options))
    assert len(cached.flatten(1).unique(dim=0)) > 1


def test_a_seed_decides_and_batches_do_not() -> None:
    prior = tiny(GRIDS[1])
    one, same, other = (
        sample_codes(prior, 7, seed=seed, batch_size=size)
        for seed, size in ((1, 7), (1, 2), (2, 7))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one.flatten(1).unique(dim=0)) > 1


def test_samples_follow_the_prior() -> None:
    """How often each grid is drawn is its probability."""
    grid = CodeGrid(1, 2, 1, 3)
    prior, draws = tiny(grid), 20_000
    codes = sample_codes(prior, draws, batch_size=draws).flatten(1)
    shares = (codes[:, 0] * 3 + codes[:, 1]).bincount(minlength=9) / draws
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3)).unsqueeze(-1)
    expected = prior.log_prob(every).exp().detach()
    assert float((shares - expected).abs().max()) < 0.015


def test_the_uniform_prior_draws_all_codes_alike() -> None:
    codes = sample_codes(UniformPrior(CodeGrid(4, 4, 2, 5)), 500)
    counts = codes.flatten().bincount(minlength=5) / codes.numel()
    assert float((counts - 0.2).abs().max()) < 0.02


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((-1.0, 0), "`temperature` must be at least 0 and finite, but is -1.0"),
        ((float("nan"), 0), "`temperature` must be at least 0 and finite, but is nan"),
        ((1.0, -2), "`top_k` must be at least 0, but is -2 instead"),
    ],
)
def test_options_out_of_range_are_refused(
    values: tuple[float, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        SamplingOptions(*values)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="`count` must be at least 1, but is 0"):
        sample_codes(UniformPrior(GRIDS[0]), 0)
