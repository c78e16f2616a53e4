"""Fixtures that train and decode with fairseq's commands."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from fairseq.data import Dictionary
from fairseq_commands import OPTIMIZER, STUDENT, TEACHER, call, task
from image_trainings import AUTOENCODER, PRIOR, UPDATES
from image_trainings import train as train_on_images
from PIL import Image

from tests.unit.translation.conftest import build
from vq_nat.engine.export import export


@pytest.fixture(scope="session")
def train_into(tmp_corpus: Path) -> Callable[..., Path]:
    """Trains a model into a folder: `train_into(folder, updates, arguments)`."""

    def run(folder: Path, updates: int, *arguments: str, model: list[str] = STUDENT):
        call(
            "train",
            [
                *task(tmp_corpus),
                *model,
                *OPTIMIZER,
                *("--max-update", str(updates), "--save-dir", str(folder)),
                *("--no-epoch-checkpoints", "--log-format", "json"),
                *arguments,
            ],
        )
        return folder

    return run


@pytest.fixture
def train(train_into: Callable[..., Path]) -> Callable[..., Path]:
    """Does what `train_into` does, for a single test."""
    return train_into


@pytest.fixture(scope="session")
def checkpoint(
    train_into: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a student after four updates, to read only."""
    folder = tmp_path_factory.mktemp("student")
    train_into(folder, 4, "--disable-validation")
    (folder / "checkpoint_last.pt").rename(folder / "checkpoint_best.pt")
    return folder


@pytest.fixture
def generate(tmp_corpus: Path) -> Callable[..., str]:
    """Runs fairseq-generate over the test set and returns what it prints."""

    def run(checkpoint: Path, *arguments: str) -> str:
        path = ["--path", str(checkpoint), "--gen-subset", "test", "--num-workers", "0"]
        return call("generate", [*task(tmp_corpus), *path, *arguments])

    return run


@pytest.fixture
def teacher_model() -> list[str]:
    """Arguments of a small autoregressive Transformer."""
    return TEACHER


@pytest.fixture(scope="session")
def exported_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model with random weights and the words a to z, to read only."""
    root = tmp_path_factory.mktemp("exported")
    words = Dictionary()
    for symbol in "abcdefghijklmnopqrstuvwxyz0123456789":
        words.add_symbol(symbol)
    recipe = {"source_lang": "en", "target_lang": "de"}
    recipe |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    for language in ("en", "de"):
        words.save(str(root / f"dict.{language}.txt"))
    (root / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
    (root / "text.json").write_text(json.dumps(recipe))
    torch.manual_seed(1)
    languages = {"en": words, "de": words}
    export(build(), languages, root, root / "out", "float32", "1.0")
    return root / "out"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of 16 × 16 pixels, each of one colour and some noise."""
    root, draw = tmp_path_factory.mktemp("pictures"), numpy.random.default_rng(1)
    for split, count in {"train": 48, "valid": 16, "test": 20}.items():
        (root / split).mkdir()
        for index in range(count):
            colour = draw.integers(0, 240, (1, 1, 3))
            pixels = colour + draw.integers(0, 16, (16, 16, 3))
            image = Image.fromarray(pixels.astype(numpy.uint8))
            image.save(root / split / f"{index:02}.png")
    return root


@pytest.fixture(scope="session")
def autoencoder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder of a few updates, to read only."""
    folder = tmp_path_factory.mktemp("autoencoder")
    return train_on_images(pictures, folder, *AUTOENCODER, "--max-update", str(UPDATES))


@pytest.fixture(scope="session")
def prior(
    pictures: Path, autoencoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A prior of a few updates, to read only."""
    folder = tmp_path_factory.mktemp("prior")
    where = ["--autoencoder", str(autoencoder), "--max-update", str(UPDATES)]
    return train_on_images(pictures, folder, *PRIOR, *where)
