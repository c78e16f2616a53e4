"""Fixtures that train and decode with fairseq's commands."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary
from fairseq_commands import OPTIMIZER, STUDENT, TEACHER, call, task

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
