"""Figures out of the log of fairseq-train."""

from pathlib import Path

import pytest

from vq_nat.results.training_log import read_entry, read_log, summarize

STAMP = "2026-01-01 00:00:00 | INFO | "
CONFIG = STAMP + "fairseq_cli.train | {'_name': None, 'common': {'x': 1, 'seed': 7}}"


def inner(updates: int, wall: int) -> str:
    """A line of every few updates."""
    return (
        f'{STAMP}train_inner | {{"epoch": 1, "loss": "3.5", '
        f'"num_updates": "{updates}", "wall": "{wall}"}}\n'
    )


def valid(updates: int, bleu: float) -> str:
    """A line of a validation."""
    return (
        f'{STAMP}valid | {{"epoch": 1, "valid_bleu": "{bleu}", '
        f'"valid_num_updates": "{updates}"}}\n'
    )


def test_names_lose_their_prefix_and_become_numbers() -> None:
    entry = read_entry(valid(20, 12.5))
    assert entry is not None and entry.kind == "valid"
    assert entry.values == {"epoch": 1.0, "bleu": 12.5, "num_updates": 20.0}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        STAMP + 'fairseq.trainer | {"loss": "1"}',
        STAMP + 'train_inner | {"loss": "1"',
        STAMP + 'valid | {"loss": }',
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    assert read_entry(line) is None


def test_text_in_place_of_a_number_is_left_out() -> None:
    entry = read_entry(STAMP + 'train | {"train_loss": "1", "train_clip": null}')
    assert entry is not None and entry.values == {"loss": 1.0}


def test_a_log_is_summed_up() -> None:
    log = summarize([CONFIG, inner(10, 5), valid(10, 3), inner(20, 9), valid(20, 2)])
    assert (log.updates, log.seconds, log.seed) == (20, 9.0, 7)
    assert log.best["num_updates"] == 10


def test_of_two_equals_the_later_is_the_checkpoint() -> None:
    assert summarize([valid(10, 3), valid(20, 3)]).best["num_updates"] == 20


def test_a_resumed_training_counts_once() -> None:
    """fairseq goes on counting where the checkpoint was written."""
    log = summarize([inner(10, 5), inner(14, 7), CONFIG, inner(12, 8), inner(20, 11)])
    assert (log.updates, log.seconds) == (20, 11.0)


def test_an_empty_log_has_no_best() -> None:
    assert summarize([]) == (0, 0.0, None, {}, None)


def test_the_gpu_of_a_training_is_told() -> None:
    rank = f"{STAMP}fairseq.utils | rank   0: capabilities =  9.0  ; "
    rank += "total memory = 139.801 GB ; name = NVIDIA H200          \n"
    assert summarize([inner(10, 5)]).gpu is None
    assert summarize([rank, inner(10, 5)]).gpu == "NVIDIA H200"


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train.log does not exist"):
        read_log(tmp_path / "train.log")
