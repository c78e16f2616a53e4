"""The E-step's pure functions."""

import math

import pytest
import torch

from vq_nat.bottleneck import assign
from vq_nat.bottleneck.weights import Draws


def distances_of(z: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """All parts together."""
    return torch.cat([*assign.squared_distances(z, codebook)], dim=1)


def test_distances_equal_the_slow_ones() -> None:
    z, codebook = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    slow = (z.unsqueeze(2) - codebook.unsqueeze(1)).square().sum(-1)
    torch.testing.assert_close(distances_of(z, codebook), slow)


def test_a_common_offset_costs_no_digits() -> None:
    z, codebook = torch.randn(1, 50, 16), torch.randn(1, 20, 16)
    offset = 1024.0  # exact in float32 up to 2^-13, far above what distances resolve
    z, codebook = (z + offset) - offset, (codebook + offset) - offset
    shifted = distances_of(z + offset, codebook + offset)
    torch.testing.assert_close(shifted, distances_of(z, codebook))


def test_posterior_is_the_softmax_of_scaled_distances() -> None:
    distances = torch.tensor([[[1.0, 3.0]]])
    probabilities = assign.posterior(distances, torch.tensor([2.0]))
    assert probabilities[0, 0, 0].item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_posterior_survives_a_codebook_on_one_point() -> None:
    distances = torch.zeros(1, 2, 4)
    probabilities = assign.posterior(distances, torch.zeros(1))
    torch.testing.assert_close(probabilities, torch.full((1, 2, 4), 0.25))


def test_nearest_and_second_nearest() -> None:
    distances = torch.tensor([[[5.0, 1.0, 3.0], [2.0, 2.0, 9.0]]])
    before = distances.clone()
    codes, first, second = assign.nearest_codes(distances)
    assert codes[0, 0] == 1 and codes[0, 1] in (0, 1)
    torch.testing.assert_close(first, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(second, torch.tensor([[3.0, 2.0]]))
    assert torch.equal(distances, before)


@pytest.mark.parametrize("num_samples", [None, 0, 3])
def test_the_e_step_is_the_same_in_small_parts(
    monkeypatch: pytest.MonkeyPatch, num_samples: int | None
) -> None:
    z, codebook = torch.randn(2, 23, 4), torch.randn(2, 5, 4)
    assignments = []
    for size in (2**20, 40):  # of all vectors, or of four
        monkeypatch.setattr(assign, "_MAX_DISTANCES", size)
        assignments.append(assign.e_step(z, codebook, torch.ones(2), num_samples))
        assert assignments[-1].weights.dense().shape == (23, 2, 5)
    a, b = assignments
    for name in ("codes", "distances", "second_distances", "entropy"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name))
    if num_samples != 3:
        torch.testing.assert_close(a.weights.dense(), b.weights.dense())


def test_the_entropy_is_that_of_vectors_from_all_over_a_large_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assign, "_ENTROPY_VECTORS", 10)
    codebook = torch.tensor([[[0.0], [1.0]]])
    sure, unsure = torch.full((1, 50, 1), -1e4), torch.full((1, 50, 1), 0.5)
    z = torch.cat([sure, unsure], dim=1)
    entropy = assign.e_step(z, codebook, torch.ones(1), None).entropy
    assert entropy.item() == pytest.approx(0.5 * math.log(2), rel=1e-4)


@pytest.mark.parametrize("num_samples", [10, 1000, 100_000])
def test_sampled_weights_go_to_the_posterior(num_samples: int) -> None:
    """By Hoeffding's bound it fails once in 10^9 runs, so it needs no seed."""
    torch.seed()
    probabilities = torch.softmax(3 * torch.randn(2, 4, 6), dim=-1)
    draws = Draws(assign.sample_codes(probabilities, num_samples), 6)
    weights = draws.dense().transpose(0, 1)
    bound = math.sqrt(math.log(2 * weights.numel() / 1e-9) / (2 * num_samples))
    assert (weights - probabilities).abs().max() <= bound


def test_codes_of_probability_zero_are_never_drawn() -> None:
    probabilities = torch.tensor([[[0.0, 0.5, 0.0, 0.5, 0.0]]])
    draws = assign.sample_codes(probabilities, 100_000)
    assert sorted(draws.unique().tolist()) == [1, 3]


def test_odds_need_not_add_up_to_one() -> None:
    odds = torch.tensor([[[1.0, 3.0]]])
    draws = assign.sample_codes(odds, 100_000).float()
    # A binomial beyond seven sigma: once in 10^11 runs.
    assert abs(draws.mean().item() - 0.75) < 7 * math.sqrt(0.75 * 0.25 / 100_000)


def test_entropy_is_0_if_hard_and_log_k_if_uniform() -> None:
    hard = torch.tensor([[[0.0, 1e9, 1e9, 1e9]]])
    assert assign.posterior_entropies(hard, torch.ones(1)).item() == 0
    uniform = assign.posterior_entropies(torch.ones(1, 3, 4), torch.ones(1))
    torch.testing.assert_close(uniform, torch.full((1, 3), math.log(4)))
