"""Generated images, and the flags of a small autoencoder for fairseq's commands."""

from pathlib import Path

import numpy
from fairseq_commands import USER_DIR

AUTOENCODER = [
    *("--arch", "vqvae_cifar10_tiny", "--criterion", "bits_per_dim"),
    *("--conv-width", "16", "--outer-width", "8", "--residual-width", "8"),
    *("--latent-width", "8", "--mixtures", "2", "--vq-num-codes", "16"),
]
IMAGE_OPTIMIZER = [
    *("--optimizer", "adam", "--lr", "0.002", "--clip-norm", "1.0"),
    *("--batch-size", "8", "--num-workers", "0", "--seed", "1"),
]


def image_task(data: Path) -> list[str]:
    """The arguments every command shares."""
    return [str(data), "--user-dir", USER_DIR, "--task", "image_vqvae", "--cpu"]


def draw_images(count: int, size: int = 32, seed: int = 1) -> numpy.ndarray:
    """Draws boxes of one colour on another. Shape: (count, 3, size, size) uint8."""
    draw = numpy.random.default_rng(seed)
    images = draw.integers(0, 256, (count, 3, 1, 1), dtype=numpy.uint8)
    images = images.repeat(size, 2).repeat(size, 3)
    for image in images:
        top, left = draw.integers(0, size // 2, 2)
        high, wide = draw.integers(size // 4, size // 2, 2)
        colour = draw.integers(0, 256, (3, 1, 1))
        image[:, top : top + high, left : left + wide] = colour
    return images


def write_cifar(folder: Path, train: int = 40, test: int = 16) -> Path:
    """Writes images in the layout of CIFAR-10's binary version, and returns it."""
    home = folder / "cifar-10-batches-bin"
    home.mkdir(parents=True)
    for number in range(1, 6):
        write_batch(home / f"data_batch_{number}.bin", train // 5, seed=number)
    write_batch(home / "test_batch.bin", test, seed=6)
    return home


def write_batch(path: Path, count: int, seed: int) -> None:
    """Writes a file of records."""
    records = draw_images(count, seed=seed).reshape(count, -1)
    labels = (numpy.arange(count) % 10).astype(numpy.uint8)
    path.write_bytes(numpy.column_stack([labels, records]).tobytes())
