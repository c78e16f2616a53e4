"""Likelihoods: sums to 1, against the definition, and what they draw."""

import math

import pytest
import torch
from torch import Tensor

from vq_nat.image.likelihood import (
    LEVELS,
    Categorical256,
    DiscretisedLogisticMixture,
    Likelihood,
    build_likelihood,
    scaled,
)

SIZE = (2, 3)
FAMILY = [Categorical256(), DiscretisedLogisticMixture(3)]


def draw_case(
    likelihood: Likelihood, batch: int = 2, spread: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Images, with the outer intensities among them, and parameters in float64."""
    images = torch.randint(0, LEVELS, (batch, 3, *SIZE), dtype=torch.uint8)
    images[0, :, 0, 0], images[0, :, 0, 1] = 0, LEVELS - 1
    shape = (batch, likelihood.parameters_per_pixel, *SIZE)
    return images, spread * torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("likelihood", FAMILY)
@pytest.mark.parametrize("spread", [0.5, 5.0])
def test_each_channel_sums_to_one(likelihood: Likelihood, spread: float) -> None:
    images, params = draw_case(likelihood, spread=spread)
    sums = likelihood.conditional(images, params).exp().sum(2)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-6)


@pytest.mark.parametrize("likelihood", FAMILY)
def test_an_image_is_the_product_of_its_channels(likelihood: Likelihood) -> None:
    images, params = draw_case(likelihood)
    chosen = likelihood.conditional(images, params).gather(2, images.long()[:, :, None])
    whole = likelihood.log_prob(images, params)
    torch.testing.assert_close(chosen.flatten(1).sum(-1), whole)


def test_a_uniform_predictor_takes_eight_bits() -> None:
    images = torch.randint(0, LEVELS, (2, 3, 4, 4), dtype=torch.uint8)
    nats = -Categorical256().log_prob(images, torch.zeros(2, 768, 4, 4))
    bits = nats / (images[0].numel() * math.log(2))
    torch.testing.assert_close(bits, torch.full((2,), 8.0))


def by_definition(pixel: Tensor, params: Tensor, mixtures: int) -> float:
    """p of a pixel by the formula, digit by digit. Shape: (3,), (10M,)."""
    x = [2 * float(value) / 255 - 1 for value in pixel]
    logits, means, scales, mixing = (
        part.reshape(-1, mixtures)
        for part in params.split([mixtures, *(3 * mixtures,) * 3])
    )
    total = 0.0
    for m, weight in enumerate(logits[0].softmax(0)):
        a, b, c = mixing[:, m].tanh()
        centres = [means[0, m], means[1, m] + a * x[0]]
        centres.append(means[2, m] + b * x[0] + c * x[1])
        probability = float(weight)
        for channel, centre in enumerate(centres):
            scale = scales[channel, m].exp()
            up = torch.sigmoid((x[channel] + 1 / 255 - centre) / scale)
            down = torch.sigmoid((x[channel] - 1 / 255 - centre) / scale)
            up = torch.tensor(1.0) if pixel[channel] == 255 else up
            down = torch.tensor(0.0) if pixel[channel] == 0 else down
            probability *= float(up - down)
        total += probability
    return total


def test_the_mixture_is_that_of_the_paper() -> None:
    likelihood = DiscretisedLogisticMixture(3)
    images, params = draw_case(likelihood, spread=0.5)
    expected = torch.zeros(len(images), dtype=torch.float64)
    for image in range(len(images)):
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                at = (image, slice(None), row, column)
                expected[image] += math.log(by_definition(images[at], params[at], 3))
    torch.testing.assert_close(likelihood.log_prob(images, params), expected)


def test_the_mixture_is_finite_wherever_it_is_trained_to() -> None:
    likelihood = DiscretisedLogisticMixture(2)
    images = torch.randint(0, LEVELS, (4, 3, 4, 4), dtype=torch.uint8)
    for size in (30.0, 1000.0):
        params = (size * torch.randn(4, 20, 4, 4)).requires_grad_()
        nats = likelihood.log_prob(images, params)
        nats.sum().backward()
        assert nats.dtype == torch.float32
        assert nats.isfinite().all() and params.grad.isfinite().all()


def test_half_precision_is_computed_in_float32() -> None:
    for likelihood in FAMILY:
        images, params = draw_case(likelihood)
        half = params.bfloat16()
        expected = likelihood.log_prob(images, half.float())
        assert torch.equal(likelihood.log_prob(images, half), expected)


@pytest.mark.parametrize("likelihood", FAMILY)
def test_samples_follow_the_probabilities(likelihood: Likelihood) -> None:
    """Of each channel the mean, given those before, by 20,000 draws of one pixel."""
    shape = (1, likelihood.parameters_per_pixel, 1, 1)
    params = torch.randn(shape).expand(20_000, -1, -1, -1)
    drawn = likelihood.sample(params, torch.Generator().manual_seed(1))
    probabilities = likelihood.conditional(drawn[:500], params[:500]).exp()
    levels = torch.arange(LEVELS).view(1, 1, -1, 1, 1)
    expected = (probabilities * levels).sum(2).mean(0).flatten()
    means = drawn.float().mean(0).flatten()
    torch.testing.assert_close(means, expected, rtol=0, atol=6.0)


@pytest.mark.parametrize("likelihood", FAMILY)
def test_samples_repeat_with_their_generator(likelihood: Likelihood) -> None:
    _, params = draw_case(likelihood)
    draws = [
        likelihood.sample(params, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert draws[0].dtype == torch.uint8
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("likelihood", FAMILY)
def test_the_mode_of_a_sharp_distribution_is_its_image(likelihood: Likelihood) -> None:
    """Fitted to an image, a distribution has it as its mode."""
    images = torch.randint(0, LEVELS, (1, 3, *SIZE), dtype=torch.uint8)
    params = torch.zeros(1, likelihood.parameters_per_pixel, *SIZE)
    if isinstance(likelihood, DiscretisedLogisticMixture):
        kinds = params.view(1, 10, likelihood.mixtures, *SIZE)
        kinds[:, 0, 1] = 5.0
        kinds[:, 1:4, 1] = scaled(images)
        kinds[:, 4:7] = -6.0
    else:
        channels = params.view(1, 3, LEVELS, *SIZE)
        channels.scatter_(2, images.long()[:, :, None], 9.0)
    assert torch.equal(likelihood.mode(params), images)


def test_the_mode_follows_the_channels_before() -> None:
    likelihood = DiscretisedLogisticMixture(1)
    params = torch.zeros(1, 10, 1, 1)
    params[:, 1], params[:, 7] = 1.0, 20.0  # red is 255, and goes to green whole
    assert likelihood.mode(params).flatten().tolist()[:2] == [255, 255]


@pytest.mark.parametrize("likelihood", FAMILY)
def test_the_start_favours_no_intensity(likelihood: Likelihood) -> None:
    bias = likelihood.initial_bias()
    params = bias.view(1, -1, 1, 1).expand(1, -1, *SIZE)
    bits = []
    for level in range(0, LEVELS, 15):
        images = torch.full((1, 3, *SIZE), level, dtype=torch.uint8)
        nats = -likelihood.log_prob(images, params).item()
        bits.append(nats / (images.numel() * math.log(2)))
    assert max(bits) < 8.01  # of a mixture 0 and 255 have its tails besides


def test_options_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`likelihood` must be one of cat.*'normal'"):
        build_likelihood("normal", 3)
    with pytest.raises(ValueError, match="`mixtures` must be at least 1, but is 0"):
        build_likelihood("mixture", 0)
