"""The E-step's pure functions."""

import math

import pytest
import torch

from vq_nat.bottleneck import assign


def test_distances_equal_the_slow_ones() -> None:
    z, codebook = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    slow = (z.unsqueeze(2) - codebook.unsqueeze(1)).square().sum(-1)
    torch.testing.assert_close(assign.squared_distances(z, codebook), slow)


def test_a_common_offset_costs_no_digits() -> None:
    z, codebook = torch.randn(1, 50, 16), torch.randn(1, 20, 16)
    offset = 1024.0  # exact in float32 up to 2^-13, far above what distances resolve
    z, codebook = (z + offset) - offset, (codebook + offset) - offset
    shifted = assign.squared_distances(z + offset, codebook + offset)
    torch.testing.assert_close(shifted, assign.squared_distances(z, codebook))


def test_posterior_is_the_softmax_of_scaled_distances() -> None:
    distances = torch.tensor([[[1.0, 3.0]]])
    probabilities = assign.posterior(distances, torch.tensor([2.0]))
    assert probabilities[0, 0, 0].item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_posterior_survives_a_codebook_on_one_point() -> None:
    distances = torch.zeros(1, 2, 4)
    probabilities = assign.posterior(distances, torch.zeros(1))
    torch.testing.assert_close(probabilities, torch.full((1, 2, 4), 0.25))


def test_second_nearest_distance() -> None:
    distances = torch.tensor([[[5.0, 1.0, 3.0], [2.0, 2.0, 9.0]]])
    second = assign.second_nearest_distances(distances)
    torch.testing.assert_close(second, torch.tensor([[3.0, 2.0]]))


def test_average_of_one_hots_equals_the_slow_one() -> None:
    draws = torch.randint(5, (2, 7, 10))
    weights = assign.average_one_hots(draws, 5)
    slow = torch.nn.functional.one_hot(draws, 5).float().mean(2)
    torch.testing.assert_close(weights, slow)


@pytest.mark.parametrize("num_samples", [10, 1000, 100_000])
def test_sampled_weights_go_to_the_posterior(num_samples: int) -> None:
    """By Hoeffding's bound it fails once in 10^9 runs, so it needs no seed."""
    torch.seed()
    probabilities = torch.softmax(3 * torch.randn(2, 4, 6), dim=-1)
    weights = assign.soft_weights(probabilities, num_samples)
    bound = math.sqrt(math.log(2 * weights.numel() / 1e-9) / (2 * num_samples))
    assert (weights - probabilities).abs().max() <= bound


def test_no_samples_means_the_exact_expectation() -> None:
    probabilities = torch.softmax(torch.randn(1, 3, 4), dim=-1)
    assert torch.equal(assign.soft_weights(probabilities, 0), probabilities)


def test_codes_of_probability_zero_are_never_drawn() -> None:
    probabilities = torch.tensor([[[0.0, 0.5, 0.0, 0.5, 0.0]]])
    weights = assign.soft_weights(probabilities, 10_000)
    assert weights[0, 0, [0, 2, 4]].sum() == 0
