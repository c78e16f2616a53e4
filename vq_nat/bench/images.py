"""Owns the report on an image model: what it measures on a test set, as a row."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from ..image.checkpoints import code_grid, fingerprint
from ..image.codes import code_use
from ..image.prior import Prior, UniformPrior
from ..image.sampling import PLAIN, SamplingOptions, decode_codes, sample_codes
from ..results.rows import Machine
from .conditions import Conditions
from .engines import describe_dtype
from .image_quality import WINDOW, InceptionFeatures, frechet_distance, psnr, ssim
from .machine import describe_machine
from .timing import pinned_threads, synchronizer

UNTIMED = 4  # images that are drawn before the clock runs


class Bits(TypedDict):
    """Bits per dimension; None where there is no such figure."""

    reconstruction: float
    prior_uniform: float | None
    total_uniform: float | None
    prior_learned: float | None
    total_learned: float | None


class CodeUse(TypedDict):
    """How codes are used over a test set; means over slices."""

    codes: int
    slices: int
    grid: list[int]  # height, width
    perplexity: float
    used_share: float


class Fid(TypedDict):
    """Fréchet distances to the originals, and of how many images and features."""

    reconstructions: float
    samples: float | None
    originals: int
    sampled: int | None
    features: int


class Sampling(TypedDict):
    """What was drawn, and the speeds in images per second."""

    prior: str
    images: int
    temperature: float
    top_k: int
    pixels: str
    seed: int
    batch_size: int
    images_per_s: float
    codes_images_per_s: float
    pixels_images_per_s: float


class ImageModel(TypedDict):
    """The sizes that matter."""

    vq_kind: str
    vq_assign: str | None
    vq_update: str | None
    vq_num_samples: int | None
    likelihood: str
    parameters: int


class ImageRow(ImageModel, Machine):
    """An image model on a test set."""

    kind: str
    data: str
    split: str
    images: int
    bits_per_dim: Bits
    psnr: float | None
    ssim: float | None
    codebook: CodeUse | None
    fid: Fid | None
    sampling: Sampling | None
    fingerprint: str
    dtype: str


class Measured(NamedTuple):
    """What a pass over a test set gives; on the CPU, a row for each image."""

    nats: Tensor  # (N,) of -log p(x | z)
    codes: Tensor  # (N, L, G) int32
    psnr: Tensor  # (N,)
    ssim: Tensor  # (N,), nothing if images are too small for its window


def batches(images: Any, size: int) -> Iterator[Tensor]:
    """Yields all images of an `ImageSet` in order. Shape: (B, 3, H, W) uint8."""
    for start in range(0, len(images), size):
        yield images.images(slice(start, start + size))


@torch.no_grad()
def measure_images(autoencoder: Any, images: Any, conditions: Conditions) -> Measured:
    """Encodes and decodes all images, in float32."""
    parts = []
    for batch in batches(images, conditions.batch_size):
        out = autoencoder(batch.to(conditions.device))
        mode = autoencoder.likelihood.mode(out.params).cpu()
        fits = min(batch.shape[-2:]) >= WINDOW
        parts.append(
            Measured(
                -out.log_prob.double().cpu(),
                out.bottleneck.codes.int().cpu(),
                psnr(batch, mode),
                ssim(batch, mode) if fits else torch.empty(0),
            )
        )
    return Measured(*(torch.cat(columns) for columns in zip(*parts)))


@torch.no_grad()
def code_nats(prior: Prior, codes: Tensor, conditions: Conditions) -> Tensor:
    """Computes -log p of codes. Shape: (N, L, G) → (N,) float64."""
    parts = [
        -prior.log_prob(part.long().to(conditions.device)).double().cpu()
        for part in codes.split(conditions.batch_size)
    ]
    return torch.cat(parts)


def nats_per_bit_per_dim(autoencoder: Any) -> float:
    """Returns 3 · H · W · ln 2, by which nats of an image become bits per dimension."""
    cfg = autoencoder.cfg
    return 3 * cfg.image_height * cfg.image_width * math.log(2)


def describe_bits(
    autoencoder: Any, measured: Measured, prior: Prior | None, conditions: Conditions
) -> Bits:
    """Returns bits per dimension: reconstruction, priors and their sums.

    The sum is an upper bound on -log p(x): it takes one sequence of codes, and does not
    sum over all. A figure is None without codes, and that of the learned prior if there
    is none.
    """
    unit = nats_per_bit_per_dim(autoencoder)
    reconstruction = float(measured.nats.mean()) / unit

    def bits_of(one: Prior | None) -> tuple[float | None, float | None]:
        if one is None:
            return None, None
        bits = float(code_nats(one, measured.codes, conditions).mean()) / unit
        return round(bits, 5), round(reconstruction + bits, 5)

    codes = autoencoder.has_codes
    uniform = bits_of(UniformPrior(code_grid(autoencoder)) if codes else None)
    learned = bits_of(prior)
    return {
        "reconstruction": round(reconstruction, 5),
        "prior_uniform": uniform[0],
        "total_uniform": uniform[1],
        "prior_learned": learned[0],
        "total_learned": learned[1],
    }


def describe_codebook(autoencoder: Any, codes: Tensor) -> CodeUse | None:
    """Returns how codes are used over the test set; means over slices."""
    if not autoencoder.has_codes:
        return None
    grid = code_grid(autoencoder)
    perplexity, used_share = code_use(codes, grid.codes)
    return {
        "codes": grid.codes,
        "slices": grid.slices,
        "grid": [grid.height, grid.width],
        "perplexity": round(perplexity, 2),
        "used_share": round(used_share, 6),
    }


def describe_model(autoencoder: Any) -> ImageModel:
    """Names the sizes that matter."""
    cfg = autoencoder.cfg
    soft = cfg.vq_kind == "vq" and cfg.vq_assign == "soft"
    return {
        "vq_kind": cfg.vq_kind,
        "vq_assign": cfg.vq_assign if cfg.vq_kind == "vq" else None,
        "vq_update": cfg.vq_update if cfg.vq_kind == "vq" else None,
        "vq_num_samples": cfg.vq_num_samples if soft else None,
        "likelihood": cfg.likelihood,
        "parameters": sum(p.numel() for p in autoencoder.parameters()),
    }


@dataclass(frozen=True)
class Drawing:
    """What is drawn, and how.

    Args:
        count: images.
        options: temperature and top-k of codes.
        pixels: "mode" or "sample", see `decode_codes`.
        seed: of both.
    """

    count: int = 64
    options: SamplingOptions = PLAIN
    pixels: str = "mode"
    seed: int = 1


class Sampled(NamedTuple):
    """Images drawn from a prior, and how long that took."""

    images: Tensor  # (N, 3, H, W) uint8
    seconds_codes: float
    seconds_pixels: float

    def describe(
        self, learned: bool, drawing: Drawing, conditions: Conditions
    ) -> Sampling:
        """Returns what was drawn, and the speeds in images per second."""
        count, total = len(self.images), self.seconds_codes + self.seconds_pixels
        return {
            "prior": "learned" if learned else "uniform",
            "images": count,
            "temperature": drawing.options.temperature,
            "top_k": drawing.options.top_k,
            "pixels": drawing.pixels,
            "seed": drawing.seed,
            "batch_size": conditions.batch_size,
            "images_per_s": round(count / total, 2),
            "codes_images_per_s": round(count / max(self.seconds_codes, 1e-9), 2),
            "pixels_images_per_s": round(count / max(self.seconds_pixels, 1e-9), 2),
        }


def sample_images(
    autoencoder: Any,
    prior: Prior | None,
    drawing: Drawing,
    conditions: Conditions,
) -> Sampled:
    """Draws codes, from the uniform prior if there is no other, and decodes them.

    A few images are drawn before and not timed, because a first call takes longer. They
    change no sample: all random numbers depend on the seed alone.
    """
    prior = UniformPrior(code_grid(autoencoder)) if prior is None else prior
    few = replace(drawing, count=min(drawing.count, UNTIMED))
    _draw_timed(autoencoder, prior, few, conditions)
    return _draw_timed(autoencoder, prior, drawing, conditions)


def _draw_timed(
    autoencoder: Any, prior: Prior, drawing: Drawing, conditions: Conditions
) -> Sampled:
    wait = synchronizer(conditions.device)
    size, device, seed = conditions.batch_size, conditions.device, drawing.seed
    start = time.perf_counter()
    codes = sample_codes(
        prior, drawing.count, drawing.options, seed=seed, batch_size=size, device=device
    )
    wait()
    drawn = time.perf_counter()
    images = decode_codes(
        autoencoder, codes, drawing.pixels, seed, batch_size=size, device=device
    )
    return Sampled(images, drawn - start, time.perf_counter() - drawn)


def describe_fid(
    autoencoder: Any,
    images: Any,
    samples: Tensor | None,
    network: InceptionFeatures,
    conditions: Conditions,
) -> Fid:
    """Returns Fréchet distances to the originals, of how many images and features.

    Args:
        autoencoder: in evaluation mode.
        images: an `ImageSet`.
        samples: uint8, None without codes to draw. Shape: (N, 3, H, W).
        network: whose features are compared.
        conditions: device and batch size.
    """
    size, device = conditions.batch_size, conditions.device
    originals = network.moments(batches(images, size))
    decoded = network.moments(
        autoencoder.reconstruct(batch.to(device)) for batch in batches(images, size)
    )
    row: Fid = {
        "reconstructions": round(frechet_distance(originals, decoded), 3),
        "samples": None,
        "originals": originals.images,
        "sampled": None,
        "features": len(originals.mean),
    }
    if samples is not None:
        drawn = network.moments(samples.split(size))
        row["samples"] = round(frechet_distance(originals, drawn), 3)
        row["sampled"] = drawn.images
    return row


def finite_mean(values: Tensor) -> float | None:
    """Returns the mean of the finite values, None if there are none.

    An image that is reconstructed exactly has an infinite PSNR and is left out: it
    would hide all others.

    Shape:
        (N,).
    """
    finite = values[values.isfinite()]
    return round(float(finite.mean()), 4) if finite.numel() else None


def measure(
    autoencoder: Any,
    images: Any,
    split: str,
    prior: Prior | None,
    conditions: Conditions,
) -> ImageRow:
    """Measures a model on a set of images and returns its row.

    Args:
        autoencoder: in evaluation mode.
        images: an `ImageSet`.
        split: its name, for the row.
        prior: a learned one, or None.
        conditions: device, threads and batch size.
    """
    with pinned_threads(conditions.threads):
        measured = measure_images(autoencoder, images, conditions)
        bits = describe_bits(autoencoder, measured, prior, conditions)
    return {
        "kind": "image",
        "data": images.name,
        "split": split,
        "images": len(images),
        "bits_per_dim": bits,
        "psnr": finite_mean(measured.psnr),
        "ssim": finite_mean(measured.ssim),
        "codebook": describe_codebook(autoencoder, measured.codes),
        "fid": None,
        "sampling": None,
        **describe_model(autoencoder),
        "fingerprint": fingerprint(autoencoder),
        "dtype": describe_dtype(next(autoencoder.parameters()).dtype, "none"),
        **describe_machine(conditions.device, conditions.threads),
    }
