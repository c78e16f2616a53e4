"""What an autoencoder must learn: 64 images by heart, through discrete codes."""

from pathlib import Path

import numpy
import pytest
import torch
from fairseq import checkpoint_utils
from fairseq_commands import call
from image_commands import draw_images, image_task

pytestmark = pytest.mark.system

SIZE = 8


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_64_images_are_learned_by_heart(tmp_path: Path, assign: str, seed: int) -> None:
    from PIL import Image

    images = draw_images(64, size=SIZE, seed=seed)
    for split in ("train", "valid"):
        (tmp_path / "images" / split).mkdir(parents=True)
        for number, image in enumerate(images):
            picture = Image.fromarray(image.transpose(1, 2, 0))
            picture.save(tmp_path / "images" / split / f"{number:02}.png")
    updates = "500"
    model = ["--arch", "vqvae_cifar10_tiny", "--criterion", "bits_per_dim"]
    model += ["--vq-assign", assign, "--vq-num-codes", "64", "--vq-slices", "4"]
    model += ["--vq-init", "data", "--vq-warmup-updates", "50", "--mixtures", "2"]
    model += ["--vq-temperature", "0.05", "--vq-temperature-scale", "relative"]
    optimizer = ["--optimizer", "adam", "--lr", "0.01", "--clip-norm", "1.0"]
    optimizer += ["--lr-scheduler", "polynomial_decay", "--warmup-updates", "30"]
    optimizer += ["--total-num-update", updates, "--max-update", updates]
    batches = ["--batch-size", "64", "--num-workers", "0", "--seed", str(seed)]
    batches += ["--vq-commitment", "1.0"]
    saving = ["--save-dir", str(tmp_path / "out"), "--no-epoch-checkpoints"]
    saving += ["--disable-validation", "--log-format", "json"]
    data = image_task(tmp_path / "images")
    call("train", [*data, *model, *optimizer, *batches, *saving])

    last = str(tmp_path / "out" / "checkpoint_last.pt")
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task([last])
    autoencoder, originals = models[0].eval(), torch.from_numpy(images)
    with torch.no_grad():
        out = autoencoder(originals)
    bits = -out.log_prob.mean().item() / (3 * SIZE * SIZE * numpy.log(2))
    others = autoencoder.reconstruct(originals)
    error = (others.float() - originals.float()).abs().mean().item()
    print(f"{assign}: {bits:.2f} bits/dim, {error:.1f} levels")
    assert bits < 4.3
    assert error < 15
    parts = [autoencoder.reconstruct(part) for part in originals.split(5)]
    assert torch.equal(torch.cat(parts), others)
