"""Owns what the rows of the comparison of EM on images say."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from vq_nat.bench.images import Bits, CodeUse, Fid, ImageModel, Sampling
from vq_nat.results.rows import Machine


class Point(TypedDict):
    """What a validation says."""

    updates: int
    bits_per_dim: float
    reconstruction_bits: float
    perplexity: float
    recent_codes: float


class PriorEffort(TypedDict):
    """What a learned prior cost."""

    parameters: int
    updates: int
    train_seconds: int


class PriorRow(PriorEffort, Machine):
    """A learned prior of one training's codes."""

    kind: str
    setting: str
    seed: int
    fingerprint: str
    bits_per_dim: float


class EMRow(ImageModel, Machine):
    """One training, on the test set."""

    kind: str
    data: str
    split: str
    images: str  # what they are, for readers
    bits_per_dim: Bits
    psnr: float | None
    ssim: float | None
    codebook: CodeUse
    fid: Fid | None
    sampling: Sampling | None
    fingerprint: str
    dtype: str
    setting: str
    label: str
    seed: int
    data_sha256: NotRequired[str]
    test_images: int
    updates: int
    jobs: NotRequired[int]
    batch_size: int
    flags: dict[str, Any]  # of fairseq
    curve: list[Point]
    collapsed: bool
    prior: PriorEffort | None
    train_seconds: int
