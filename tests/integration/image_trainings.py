"""Autoencoders and priors of a few updates, trained in this process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairseq_commands import USER_DIR, call

AUTOENCODER = [
    *("--task", "image_vqvae", "--arch", "vqvae_cifar10_tiny"),
    *("--criterion", "bits_per_dim", "--vq-num-codes", "16", "--vq-slices", "2"),
    *("--conv-width", "8", "--outer-width", "8", "--residual-width", "8"),
    *("--latent-width", "8", "--mixtures", "2"),
]
PRIOR = [
    *("--task", "image_codes", "--arch", "code_prior_cifar10_tiny"),
    *("--criterion", "code_nll", "--decoder-embed-dim", "16"),
    *("--decoder-ffn-embed-dim", "32", "--decoder-layers", "2"),
]
TRAINING = [
    *("--cpu", "--user-dir", USER_DIR, "--optimizer", "adam", "--lr", "0.003"),
    *("--batch-size", "16", "--num-workers", "0", "--log-format", "json"),
    *("--log-interval", "1", "--no-epoch-checkpoints"),
]
UPDATES = 6


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Keeps what is logged as a user keeps it by `fairseq-train … > train.log`."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("now | INFO | %(name)s | %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)  # whatever other tests have left
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()


def train(data: Path, folder: Path, *arguments: str) -> Path:
    """Runs fairseq-train, and returns the checkpoint."""
    folder.mkdir(exist_ok=True)
    with logged(folder / "train.log"):
        call("train", [str(data), *TRAINING, "--save-dir", str(folder), *arguments])
    # In one process fairseq remembers what was best in the training before.
    return folder / "checkpoint_last.pt"
