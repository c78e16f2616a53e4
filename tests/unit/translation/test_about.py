"""What a folder says of its text and its row is what their files say."""

import json
from pathlib import Path

import pytest
import torch

from vq_nat.files import sha256
from vq_nat.translation.about import about_model, result_of, text_of


def test_a_manifest_is_told(tmp_path: Path) -> None:
    assert text_of(tmp_path) is None
    path = tmp_path / "manifest.json"
    teacher = {"teacher": {"sha256": "abc"}, "decoding": {"beam": 4}}
    path.write_text(json.dumps({"counts": {"pairs": {"kept train": 9}}, **teacher}))
    told = text_of(tmp_path)
    assert told is not None
    assert told["manifest"] == sha256(path) and told["pairs"] == 9
    assert told["teacher"] == "abc" and told["decoding"] == {"beam": 4}
    path.write_text("{}")
    assert text_of(tmp_path)


def write_row(path: Path, checkpoint: str) -> Path:
    """Writes the row of a checkpoint."""
    row = {"system": "s", "corpus": "c", "test_set": "t", "bleu": 1.0, "chrf": 2.0}
    row |= {"bleu_signature": "s", "latency_ms": {}}
    path.write_text(json.dumps({**row, "inputs": {"checkpoint": checkpoint}}))
    return path


def test_a_checkpoint_tells_its_training_and_what_is_added_to_it(
    tmp_path: Path,
) -> None:
    path, model = tmp_path / "checkpoint_best.pt", torch.nn.Linear(3, 2)
    cfg = {"model": {"_name": "transformer"}, "common": {"seed": 7}}
    torch.save({"model": model.state_dict(), "cfg": cfg}, path)
    plain = about_model(path, model)
    assert (plain["checkpoint"], plain["parameters"]) == (sha256(path), 3 * 2 + 2)
    assert (plain["architecture"], plain["training"]["seed"]) == ("transformer", 7)
    assert (plain["licence"], plain["result"]) == (None, None)
    row = write_row(tmp_path / "row.json", sha256(path))
    told = about_model(path, model, row, licence="MIT")
    result = told.pop("result")
    assert result["tests"]["t"]["bleu"] == 1.0
    assert told.pop("licence") == "MIT"
    assert told.items() <= plain.items()


def test_a_row_must_be_of_the_checkpoint(tmp_path: Path) -> None:
    path = write_row(tmp_path / "row.json", "abc")
    assert result_of(path, "abc")["tests"]["t"]["bleu"] == 1.0
    assert result_of(path, None)
    with pytest.raises(ValueError, match="must be a row of this checkpoint"):
        result_of(path, "abd")
    with pytest.raises(FileNotFoundError, match="none.json does not exist"):
        result_of(tmp_path / "none.json", None)
