"""What a packed folder may say, and what of a checkpoint comes back from it."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch

from vq_nat.fairseq_side.compat import load_state
from vq_nat.fairseq_side.packed import WEIGHTS, read_packed, write_packed
from vq_nat.files import BadFile

TEXT = {"languages": ["en", "de"], "dictionaries": ["a", "b"]}


def state_of(shared: torch.Tensor) -> dict[str, Any]:
    """A checkpoint's content whose options are a Namespace of all there are."""
    model = Namespace(arch="transformer", encoder_layers=2, save_dir="/home/me")
    task = {"_name": "translation", "data": "/home/me", "source_lang": "en"}
    return {
        "model": {"b": shared, "a": shared, "part": shared[1:], "n": torch.tensor(3)},
        "cfg": {"model": model, "task": task, "common": {"seed": 1}},
        "optimizer_history": [{"num_updates": 7}],
        "task_state": {"trained_source": 9},
    }


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """The weights of a packed folder."""
    write_packed(state_of(torch.rand(3, 2)), tmp_path, TEXT, {})
    return tmp_path / WEIGHTS


def change(packed: Path, **changed: Any) -> None:
    """Changes the configuration."""
    path = packed.parent / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_weights_come_back_and_shared_ones_are_one(tmp_path: Path) -> None:
    shared = torch.rand(3, 2)
    write_packed(state_of(shared), tmp_path, TEXT, {})
    state = read_packed(tmp_path / WEIGHTS)
    weights = state["model"]
    assert weights.keys() == {"a", "b", "part", "n"}
    assert torch.equal(weights["b"], shared) and torch.equal(
        weights["part"], shared[1:]
    )
    assert weights["a"] is weights["b"] and weights["n"] == 3
    assert state["optimizer_history"][-1]["num_updates"] == 7
    assert state["task_state"] == {"trained_source": 9, "text": TEXT}


def test_options_come_back_but_for_places(packed: Path) -> None:
    cfg = load_state(packed)["cfg"]
    assert vars(cfg["model"])["encoder_layers"] == 2
    assert cfg["task"] == {
        "_name": "translation",
        "source_lang": "en",
        "data": str(packed.parent),
    }
    assert "/home/me" not in (packed.parent / "config.json").read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": 2}, "must have the format 1, but has 2"),
        ({"options": []}, "its `options` is"),
        ({"options": {"hooks": {}}}, "no groups of options"),
        ({"flat": ["hooks"]}, "its `flat`"),
        ({"task_state": {"text": {"languages": ["en"]}}}, "no two languages"),
        ({"task_state": {"text": TEXT, "trained_source": "9"}}, "its `trained_source`"),
        ({"updates": -1}, "its `updates` is -1"),
        ({"updates": True}, "its `updates` is True"),
        ({"files": {}}, "no model.safetensors"),
        ({"files": {WEIGHTS: "0"}}, "another content"),
        ({"files": {"../x": "0", WEIGHTS: "0"}}, "but has none"),
        ({"tied": {"b": "nowhere"}}, "must name tensors"),
        ({"tied": {"a": "n"}}, "must name tensors"),
    ],
)
def test_what_it_says_is_checked(
    packed: Path, changed: dict[str, Any], said: str
) -> None:
    change(packed, **changed)
    with pytest.raises(BadFile, match=said):
        read_packed(packed)


def test_options_are_checked_as_a_checkpoints(packed: Path) -> None:
    change(packed, options={"model": {"_name": "wav2vec2"}, "task": {}})
    with pytest.raises(ValueError, match="is 'wav2vec2' instead"):
        load_state(packed)


def test_weights_alone_are_no_folder(packed: Path) -> None:
    (packed.parent / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="config.json"):
        load_state(packed)
