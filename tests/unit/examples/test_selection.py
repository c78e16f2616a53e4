"""Which checkpoint is kept: what is right most often, or the mean of several."""

import json
from pathlib import Path

import pytest
import torch

from data_prep.lib.steps import UserError
from examples.lib.selection import select
from vq_nat.bench.sentences import TestSet

VALID = TestSet(
    "a corpus",
    "valid",
    ["one", "two"],
    [["eins zwei drei vier", "vier drei zwei eins"], ["fünf sechs sieben acht"]],
    complete=True,
)
RIGHT = ["vier drei zwei eins", "fünf sechs sieben acht"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training whose checkpoints hold their number as the only weight."""
    names = {f"checkpoint_1_{n}.pt": n for n in (10, 20, 30)} | {
        "checkpoint_last.pt": 30
    }
    for name, weight in names.items():
        state = {"model": {"w": torch.tensor([float(weight)])}, "cfg": {}}
        torch.save(state, tmp_path / name)
    return tmp_path


def weight(path: Path) -> float:
    """Returns what a checkpoint holds."""
    return float(torch.load(path, weights_only=True)["model"]["w"])


@pytest.mark.parametrize(
    ("right", "chosen"),
    [
        ({25.0}, "averaged.pt"),
        ({20.0}, "checkpoint_1_20.pt"),
        ({20.0, 25.0, 30.0}, "averaged.pt"),  # of equals the mean
        ({30.0}, "checkpoint_1_30.pt"),
    ],
)
def test_what_is_right_most_often_is_kept(
    folder: Path, right: set[float], chosen: str
) -> None:
    out = folder / "checkpoint_best.pt"

    def decode(path: Path) -> list[str]:
        # Others are nearer to the references on the whole, and right less often.
        return RIGHT if weight(path) in right else ["eins zwei drei vier", "fünf sechs"]

    sentence = select(folder, 2, VALID, decode, out)
    assert sentence.startswith(f"{chosen}, 100.0% correct, BLEU 100.0")
    assert weight(out) == weight(folder / chosen)
    report = json.loads((folder / "selection.json").read_text())
    assert report["chosen"] == chosen
    assert set(report["of"]) == {
        *("averaged.pt", "checkpoint_1_20.pt", "checkpoint_1_30.pt"),
        "checkpoint_last.pt",
    }


def test_with_one_reference_bleu_decides(folder: Path) -> None:
    one = TestSet("a corpus", "valid", VALID.sources, [[text] for text in RIGHT])

    def decode(path: Path) -> list[str]:
        return RIGHT if weight(path) == 20 else [text[:-5] for text in RIGHT]

    assert select(folder, 2, one, decode, folder / "best.pt").startswith(
        "checkpoint_1_20.pt, BLEU 100.0"
    )


def test_there_must_be_enough_checkpoints(folder: Path) -> None:
    with pytest.raises(UserError, match="must hold 4 checkpoints to be averaged"):
        select(folder, 4, VALID, lambda path: RIGHT, folder / "best.pt")
