"""Likeness of images, against the definitions."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vq_nat.bench import image_quality
from vq_nat.bench.image_quality import (
    InceptionFeatures,
    Moments,
    frechet_distance,
    psnr,
    ssim,
)
from vq_nat.files import BadFile, sha256


def noise(*shape: int) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8)


def test_psnr_of_a_known_error() -> None:
    images = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    others = images.clone()
    others[0] += 5
    decibels = psnr(images, others)
    assert float(decibels[0]) == pytest.approx(20 * math.log10(255 / 5))
    assert float(decibels[1]) == math.inf


def ssim_by_definition(x: Tensor, y: Tensor) -> float:
    """A window at a time, as the paper's equations 13 to 16 are written."""
    places = torch.arange(11.0, dtype=torch.float64) - 5
    line = torch.exp(-places.square() / (2 * 1.5**2))
    weights = torch.outer(line, line) / torch.outer(line, line).sum()
    values = []
    for channel in range(x.size(0)):
        for top in range(x.size(1) - 10):
            for left in range(x.size(2) - 10):
                a, b = (
                    image[channel, top : top + 11, left : left + 11].double()
                    for image in (x, y)
                )
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a = (weights * (a - mean_a) ** 2).sum()
                var_b = (weights * (b - mean_b) ** 2).sum()
                cov = (weights * (a - mean_a) * (b - mean_b)).sum()
                c1, c2 = 2.55**2, 7.65**2
                one = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
                values.append(one * (2 * cov + c2) / (var_a + var_b + c2))
    return float(torch.stack(values).mean())


def test_ssim_is_what_its_definition_says() -> None:
    images = noise(2, 3, 13, 14)
    others = images.clone()
    others[:, :, ::2] = 255 - others[:, :, ::2]
    expected = [ssim_by_definition(x, y) for x, y in zip(images, others)]
    assert ssim(images, others).tolist() == pytest.approx(expected)
    assert ssim(images, images).tolist() == pytest.approx([1, 1])


def test_ssim_of_too_small_images_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 11 pixels .* but are 8 × 16 inste"):
        ssim(noise(1, 3, 8, 16), noise(1, 3, 8, 16))


def moments(mean: list[float], covariance: Tensor) -> Moments:
    return Moments(torch.tensor(mean).double(), covariance.double(), 100)


def test_the_distance_of_gaussians_with_one_set_of_axes_is_known() -> None:
    """|μ1 - μ2|² + Σ (σ1 - σ2)², however the axes lie."""
    axes = torch.linalg.qr(torch.randn(3, 3).double()).Q
    first, second = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([3.0, 2.0, 0.0])
    one, other = (
        moments([c, 0, 0], axes @ torch.diag(s.double() ** 2) @ axes.T)
        for c, s in ((1.0, first), (4.0, second))
    )
    expected = 9 + float((first - second).square().sum())
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_the_distance_of_any_gaussians_is_that_of_the_matrix_root() -> None:
    a, b = (torch.randn(4, 4).double() for _ in range(2))
    one, other = moments([0] * 4, a @ a.T), moments([0] * 4, b @ b.T)
    values = torch.linalg.eigvals(one.covariance @ other.covariance).sqrt()
    expected = (one.covariance + other.covariance).trace() - 2 * values.real.sum()
    assert frechet_distance(one, other) == pytest.approx(float(expected))


def test_moments_are_those_of_the_features() -> None:
    features = torch.randn(50, 3)
    computed = Moments.of(features)
    centred = features.double() - features.double().mean(dim=0)
    torch.testing.assert_close(computed.covariance, centred.T @ centred / 49)
    with pytest.raises(ValueError, match="at least 2 images, but are of 1"):
        Moments.of(features[:1])


class Averages(torch.nn.Module):
    """Stands in for Inception: the mean of each channel."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        return images.float().mean(dim=(2, 3))


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a network and lets it count as published."""

    def save(network: torch.nn.Module) -> Path:
        path = tmp_path / "other.pt"
        torch.jit.script(network).save(str(path))
        monkeypatch.setattr(image_quality, "PUBLISHED", (sha256(path),))
        return path

    return save


def test_no_network_but_the_published_one_is_run(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    torch.jit.script(Averages()).save(str(path))
    with pytest.raises(BadFile, match=r"inception\.pt must be .* it is not run"):
        InceptionFeatures(path)


def test_features_come_from_a_file(published: Callable[..., Path]) -> None:
    path = published(Averages())
    batches = [noise(4, 3, 5, 5), noise(2, 3, 5, 5)]
    computed = InceptionFeatures(path).moments(batches)
    expected = Moments.of(torch.cat(batches).float().mean(dim=(2, 3)))
    torch.testing.assert_close(computed.covariance, expected.covariance)
    assert computed.images == 6


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="network .*none.pt does not exist"):
        InceptionFeatures(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(ValueError, match="text.pt must be inception-2015-12-05.pt as"):
        InceptionFeatures(tmp_path / "text.pt")


class Plain(torch.nn.Module):
    """A network that has no features to return but its output."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean(dim=(2, 3))


class Whole(torch.nn.Module):
    """One that returns something else than a row of features for each image."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        return images.float()


class Pair(torch.nn.Module):
    """One that returns more than features."""

    def forward(
        self, images: Tensor, return_features: bool = False
    ) -> tuple[Tensor, Tensor]:
        return images.float().mean(dim=(2, 3)), images


class Large(torch.nn.Module):
    """One that does not resize what it is given."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        assert images.size(2) > 200, "too small"
        return images.float().mean(dim=(2, 3))


@pytest.mark.parametrize("network", [Plain, Whole, Pair, Large])
def test_a_network_of_another_kind_is_refused_before_it_is_used(
    published: Callable[..., Path], network: type[torch.nn.Module]
) -> None:
    path = published(network())
    sentence = "other.pt must return a row of features .*, but does not."
    with pytest.raises(ValueError, match=sentence) as caught:
        InceptionFeatures(path)
    assert "\n" not in str(caught.value)
