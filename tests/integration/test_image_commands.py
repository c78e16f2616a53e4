"""fairseq's commands on images: they train, go on where they stopped, and validate."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from fairseq_commands import call, train_together
from image_commands import AUTOENCODER, IMAGE_OPTIMIZER, image_task, write_cifar
from torch import Tensor

from vq_nat.fairseq_side.compat import load_config, load_weights, tensorboard_writer
from vq_nat.image import open_images

State = dict[str, Tensor]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training, 4 validation and 16 test images, to read only."""
    return write_cifar(tmp_path_factory.mktemp("cifar"))


@pytest.fixture(scope="module")
def train_images(cifar: Path) -> Train:
    """Trains an autoencoder: `train_images(folder, updates, *arguments)`."""

    def run(folder: Path, updates: int, *arguments: str) -> Path:
        saving = ["--save-dir", str(folder), "--no-epoch-checkpoints"]
        words = [*image_task(cifar), *AUTOENCODER, *IMAGE_OPTIMIZER, *saving]
        words += ["--max-update", str(updates), "--log-format", "json", *arguments]
        call("train", words)
        return folder

    return run


@pytest.fixture(scope="module")
def trained(train_images: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an autoencoder after three updates, to read only."""
    folder = tmp_path_factory.mktemp("autoencoder")
    train_images(folder, 3, "--disable-validation")
    return folder / "checkpoint_last.pt"


def assert_same(a: State, b: State) -> None:
    """All parameters, counts, sums and codes, to the bit."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(b[name], value), name


def logged(caplog: pytest.LogCaptureFixture, name: str) -> dict[str, float]:
    """The last figures in the log that have one of this name."""
    lines = [m for m in caplog.messages if m.startswith("{") and f'{name}"' in m]
    return {key: float(value) for key, value in json.loads(lines[-1]).items()}


MODELS = {
    "gradient": ("--vq-assign", "hard", "--vq-update", "gradient"),
    "soft-slices": ("--vq-assign", "soft", "--vq-slices", "2"),
    "data": ("--vq-init", "data", "--vq-restart-after", "2", "--vq-num-codes", "8"),
    "fsq": ("--vq-kind", "fsq", "--vq-levels", "4,4"),
    "gumbel": ("--vq-kind", "gumbel"),
    "semhash": ("--vq-kind", "semhash"),
    "identity": ("--vq-kind", "identity"),
    "categorical": ("--likelihood", "categorical"),
}


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
def test_every_bottleneck_and_likelihood_trains_and_validates(
    train_images: Train,
    tmp_path: Path,
    options: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    best = ("--best-checkpoint-metric", "bits_per_dim", "--autocast", "auto")
    train_images(tmp_path, 3, *best, *options)
    assert (tmp_path / "checkpoint_last.pt").is_file()
    figures = logged(caplog, "valid_bits_per_dim")
    assert figures["valid_num_updates"] == 3
    assert 7 < figures["valid_bits_per_dim"] < 10


def test_a_checkpoint_stands_alone(trained: Path, cifar: Path) -> None:
    """It is loaded without its data, and knows the size of an image."""
    assert load_config(trained)["model"]["image_height"] == 32
    nowhere = {"data": "/nowhere"}
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(trained)], arg_overrides=nowhere
    )
    images = open_images(cifar, "test").images(slice(5))
    model = models[0].eval()
    assert model.codes(images).shape == (5, 64, 1)
    assert model.reconstruct(images).shape == images.shape
    with pytest.raises(ValueError, match="/nowhere must be a folder of images"):
        task.load_dataset("test")


def test_validation_repeats_what_the_model_says(
    trained: Path, cifar: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """fairseq-validate's figure on the test set is the mean over its images."""
    caplog.set_level("INFO")
    flags = ["--path", str(trained), "--valid-subset", "test", "--batch-size", "5"]
    call("validate", [*image_task(cifar), *flags, "--log-format", "json"])
    figures = logged(caplog, "bits_per_dim")
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task([str(trained)])
    images = open_images(cifar, "test").images(slice(None))
    with torch.no_grad():
        nats = -models[0].eval()(images).log_prob.mean().item()
    bits = nats / (3 * 32 * 32 * 0.6931471805599453)
    bits_logged = {k.split("_", 1)[1]: v for k, v in figures.items() if "bits" in k}
    assert bits_logged["reconstruction_bits"] == pytest.approx(bits, abs=1e-3)
    prior = 64 * 4 / (3 * 32 * 32)
    assert bits_logged["bits_per_dim"] == pytest.approx(bits + prior, abs=1e-3)


@pytest.mark.parametrize("options", [(), ("--vq-init", "data", "--flip")])
def test_a_resumed_training_is_the_unbroken_one(
    train_images: Train, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Broken off in the middle of the second epoch of five updates."""
    options = ("--disable-validation", "--batch-size", "8", *options)
    whole = train_images(tmp_path / "whole", 12, *options)
    parts = train_images(tmp_path / "parts", 7, *options)
    train_images(parts, 12, *options)
    last = "checkpoint_last.pt"
    assert_same(load_weights(whole / last), load_weights(parts / last))


def test_two_workers_are_one_that_accumulates(
    cifar: Path, train_images: Train, tmp_path: Path
) -> None:
    """Of five batches an epoch, the second worker lacks one: twice in these updates."""
    plain = ["--optimizer", "sgd", "--lr", "0.05", "--vq-assign", "hard"]
    plain += ["--vq-decay", "0.9", "--disable-validation", "--max-update", "8"]
    plain += ["--save-interval", "1000"]
    words = [*image_task(cifar), *AUTOENCODER, *IMAGE_OPTIMIZER, *plain]
    workers = train_together(tmp_path / "workers", words)
    assert_same(workers[0], workers[1])
    train_images(tmp_path / "alone", 8, *plain, "--update-freq", "2")
    alone = load_weights(tmp_path / "alone" / "checkpoint_last.pt")
    for name, value in workers[0].items():
        torch.testing.assert_close(alone[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_validation_shows_pictures(
    train_images: Train, cifar: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = ("--tensorboard-logdir", str(tmp_path / "tb"))
    train_images(tmp_path, 6, "--validate-interval-updates", "3", *logs)
    events = EventAccumulator(str(tmp_path / "tb" / "images"))
    events.Reload()
    shown = events.Images("reconstructions")
    assert [picture.step for picture in shown] == [3, 5, 6]
    assert shown[0].width == 8 * 34 - 2
    assert shown[0].height == 32  # four images of validation, each with another
    before = sorted((tmp_path / "tb").rglob("*"))
    tensorboard_writer.cache_clear()  # as in a process of its own
    model = ["--path", str(tmp_path / "checkpoint_last.pt"), "--batch-size", "5"]
    call("validate", [*image_task(cifar), *model, "--valid-subset", "test"])
    assert sorted((tmp_path / "tb").rglob("*")) == before  # the training's own


def test_broken_data_ends_a_training_in_a_sentence(tmp_path: Path) -> None:
    home = write_cifar(tmp_path / "broken")
    (home / "test_batch.bin").write_bytes(b"1" * 10)
    (home / "data_batch_4.bin").write_bytes(b"1" * 10)
    saving = ["--save-dir", str(tmp_path / "out"), "--max-update", "1"]
    with pytest.raises(ValueError, match=r"data_batch_4\.bin must hold records"):
        call("train", [*image_task(home), *AUTOENCODER, *IMAGE_OPTIMIZER, *saving])
    assert not list(tmp_path.rglob("*.pt"))


def test_validation_images_of_another_size_end_a_training_before_it_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from PIL import Image

    caplog.set_level("INFO")
    for split, side in (("train", 16), ("valid", 8)):
        (tmp_path / "images" / split).mkdir(parents=True)
        for number in range(4):
            picture = Image.new("RGB", (side, side))
            picture.save(tmp_path / "images" / split / f"{number}.png")
    saving = ["--save-dir", str(tmp_path / "out"), "--max-update", "1"]
    with pytest.raises(ValueError, match=r"valid images .* 16 × 16 .* are of 8 × 8 in"):
        task = image_task(tmp_path / "images")
        call("train", [*task, *AUTOENCODER, *IMAGE_OPTIMIZER, *saving])
    assert not any("begin training" in message.lower() for message in caplog.messages)
    assert not list(tmp_path.rglob("*.pt"))
