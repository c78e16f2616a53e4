"""An update is the same however its batches are divided: in time, or over workers.

Sentences are all of one length, there is no dropout, and the optimizer is plain: what
remains of a difference is rounding. It is compared after few updates, as rounding grows
with every one: sooner or later a vector between two codes goes to the other one. What
must be the same to the bit is compared after many.
"""

from pathlib import Path

import pytest
import torch
from fairseq_commands import STUDENT, call, task, train_together
from torch import Tensor

from vq_nat.fairseq_side.compat import load_weights

FEW, MANY = 10, 50

State = dict[str, Tensor]


def arguments(data: Path, batch_size: int, assign: str, updates: int) -> list[str]:
    """fairseq-train's, but for the folder."""
    # If it is soft, the exact expectation. A relative temperature would begin with that
    # of each batch.
    samples = ("--vq-num-samples", "0", "--vq-temperature-scale", "absolute")
    samples += ("--vq-temperature", "10")
    return [
        *(*task(data), *STUDENT, "--vq-assign", assign, *samples, "--dropout", "0"),
        *("--shown-sentences", "0", "--vq-restart-after", "0", "--vq-decay", "0.9"),
        *("--optimizer", "sgd", "--lr", "0.05", "--clip-norm", "0", "--seed", "1"),
        *("--max-tokens", "1000", "--batch-size", str(batch_size)),
        *("--required-batch-size-multiple", "1", "--num-workers", "0"),
        *("--max-update", str(updates), "--save-interval", "1000"),
        *("--disable-validation", "--no-epoch-checkpoints"),
    ]


def alone(
    data: Path, folder: Path, batch_size: int, update_freq: int, assign: str
) -> State:
    """Where a single worker is after few updates."""
    options = ("--save-dir", str(folder), "--update-freq", str(update_freq))
    call("train", [*arguments(data, batch_size, assign, FEW), *options])
    return load_weights(folder / "checkpoint_last.pt")


def assert_same(a: State, b: State) -> None:
    """All parameters, counts, sums and codes, up to rounding."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_four_batches_of_an_update_are_one_large_batch(
    even_corpus: Path, tmp_path: Path, assign: str
) -> None:
    parts = alone(even_corpus, tmp_path / "parts", 6, 4, assign)
    whole = alone(even_corpus, tmp_path / "whole", 24, 1, assign)
    assert_same(parts, whole)


def test_two_workers_of_torchrun_stay_the_same_to_the_bit(
    even_corpus: Path, tmp_path: Path
) -> None:
    first, second = train_together(
        tmp_path / "workers", arguments(even_corpus, 8, "hard", MANY)
    )
    for name, value in first.items():
        assert torch.equal(second[name], value), name


def test_two_workers_of_torchrun_are_one_that_accumulates(
    even_corpus: Path, tmp_path: Path
) -> None:
    """Of three batches an epoch, the second worker lacks one in every other update."""
    workers = train_together(
        tmp_path / "workers", arguments(even_corpus, 8, "hard", FEW)
    )
    single = alone(even_corpus, tmp_path / "single", 8, 2, "hard")
    assert_same(workers[0], single)


def test_counts_are_those_of_the_vectors(even_corpus: Path, tmp_path: Path) -> None:
    """Of an epoch's 48 vectors, 32 are in an update of two batches and 16 in the next.

    The average forgets where it started with 0.9 an update.
    """
    state = alone(even_corpus, tmp_path / "single", 8, 2, "hard")
    counts = state["bottleneck.table.ema_counts"]
    expected = 1.0 * counts.numel()
    for update in range(FEW):
        expected = 0.9 * expected + 0.1 * (32, 16)[update % 2]
    assert counts.sum().item() == pytest.approx(expected, rel=1e-4)
