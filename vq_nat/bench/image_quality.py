"""Owns how alike images are: PSNR, SSIM, and the Fréchet distance of their features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..files import BadFile, read_bytes, reading

WINDOW, SIGMA = 11, 1.5  # of SSIM, Wang et al. 2004, section III.C
PEAK = 255.0
TRIED = 32  # height and width of the images that a network is tried on


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Computes the peak signal-to-noise ratio in decibels, infinite for equal images.

    Shape:
        2 × (B, 3, H, W) uint8 → (B,) float64.
    """
    difference = images.double() - others.double()
    error = difference.square().flatten(1).mean(dim=1)
    return 10 * torch.log10(PEAK**2 / error)


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Computes the structural similarity (SSIM), the mean over channels and places.

    Wang et al. 2004, section III: a Gaussian window of 11 × 11, σ = 1.5, wherever it
    fits into the image. Written here because scikit-image brings five further packages
    and takes one image at a time.

    Shape:
        2 × (B, 3, H, W) uint8 → (B,) float64.

    Raises:
        ValueError: if the window does not fit at all.
    """
    if min(images.shape[-2:]) < WINDOW:
        raise ValueError(
            f"images must be at least {WINDOW} pixels high and wide for SSIM, "
            f"but are {images.shape[-2]} × {images.shape[-1]} instead."
        )
    x, y = images.double(), others.double()
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x.square()
    variance_y = _window_mean(y * y) - mean_y.square()
    covariance = _window_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    total = (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    return (likeness / total).flatten(1).mean(dim=1)


def _window_mean(x: Tensor) -> Tensor:
    """Averages each channel under the window, one axis after the other."""
    places = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weights = torch.exp(-places.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).expand(x.size(1), 1, 1, -1)
    x = F.conv2d(x, weights, groups=x.size(1))
    return F.conv2d(x, weights.transpose(-1, -2), groups=x.size(1))


class Moments(NamedTuple):
    """Mean (D,) and covariance (D, D) of features, float64."""

    mean: Tensor
    covariance: Tensor
    images: int

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Computes them. Shape: (N, D), N at least 2."""
        if len(features) < 2:
            raise ValueError(
                f"`features` must be of at least 2 images, but are of {len(features)}."
            )
        features = features.double()
        covariance = torch.cov(features.T).view(features.size(1), features.size(1))
        return cls(features.mean(dim=0), covariance, len(features))


def frechet_distance(one: Moments, other: Moments) -> float:
    """Computes |μ1 - μ2|² + tr(Σ1 + Σ2 - 2 (Σ1 Σ2)^½) between two Gaussians.

    Σ1 Σ2 has the same eigenvalues as the symmetric Σ1^½ Σ2 Σ1^½. They are computed from
    the latter, so that they are real, and below 0 only by rounding.
    """
    values, vectors = torch.linalg.eigh(one.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = torch.linalg.eigvalsh(root @ other.covariance @ root)
    shift = (one.mean - other.mean).square().sum()
    spread = one.covariance.trace() + other.covariance.trace()
    return float(shift + spread - 2 * product.clamp(min=0).sqrt().sum())


# SHA-256 of the networks that are run.
PUBLISHED = ("f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",)


class InceptionFeatures:
    """Features of images from a TorchScript Inception on disk; nothing is downloaded.

    The file is the one that NVIDIA publishes with StyleGAN2-ADA and StyleGAN3 as
    `inception-2015-12-05.pt`, the network of Heusel et al. 2017, with its own resizing:
    called with uint8 images it returns 2048 features with `return_features=True`.

    Args:
        path: the file. It is a program, which may read and write files: none but the
            published one is run.
        device: "cpu", "cuda", ….

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is another file, or not called like that one.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        if not path.is_file():
            raise FileNotFoundError(f"the Inception network {path} does not exist.")
        content = read_bytes(path, "the Inception network")
        digest = hashlib.sha256(content).hexdigest()
        if digest not in PUBLISHED:
            raise BadFile(
                f"{path} must be inception-2015-12-05.pt as NVIDIA publishes it "
                f"(SHA-256 {PUBLISHED[0][:12]}…), but is another file "
                f"({digest[:12]}…) instead: it is not run."
            )
        with reading(path, "a TorchScript module"):
            self.network: Any = torch.jit.load(BytesIO(content), map_location=device)
        self.network.eval()
        self.device = device
        self._try(path)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Computes features, on the CPU. Shape: (B, 3, H, W) uint8 → (B, D)."""
        return self.network(images.to(self.device), return_features=True).cpu()

    def moments(self, batches: Iterable[Tensor]) -> Moments:
        """Computes mean and covariance. Shape: each batch (B, 3, H, W) uint8."""
        return Moments.of(torch.cat([self.features(batch) for batch in batches]))

    def _try(self, path: Path) -> None:
        """Calls the network once: it shall not fail after minutes of measuring."""
        images = torch.zeros(2, 3, TRIED, TRIED, dtype=torch.uint8)
        sentence = (
            f"{path} must return a row of features for each uint8 image when it is "
            "called with `return_features=True`, but does not."
        )
        try:
            shape = self.features(images).shape
        except (RuntimeError, AttributeError, torch.jit.Error) as error:
            raise ValueError(sentence) from error
        if len(shape) != 2 or shape[0] != len(images):
            raise ValueError(sentence)
