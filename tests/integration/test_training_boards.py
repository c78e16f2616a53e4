"""fairseq's flags for TensorBoard and Weights & Biases show our figures as well."""

from collections.abc import Callable
from pathlib import Path

import pytest

FIGURES = ("word_nll", "code_nll", "vq_perplexity", "vq_posterior_entropy")
QUIET = ("--disable-validation", "--no-save", "--log-interval", "1")


def test_tensorboard_has_the_figures(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = tmp_path / "board"
    train(tmp_path / "run", 2, *QUIET, "--tensorboard-logdir", str(board))
    events = EventAccumulator(str(board / "train_inner"))
    events.Reload()
    assert set(FIGURES) <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("code_nll")] == [1, 2]


def test_weights_and_biases_keeps_a_run_without_a_net(
    train: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name, value in (("MODE", "offline"), ("DIR", str(tmp_path)), ("SILENT", "1")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    train(tmp_path / "run", 2, *QUIET, "--wandb-project", "copies")
    logged = dict(wandb.run.summary)
    wandb.finish()
    assert {f"train_inner/{name}" for name in FIGURES} <= logged.keys()
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
