"""What a folder says of its text and its row is what their files say."""

import json
from pathlib import Path

import pytest

from vq_nat.files import sha256
from vq_nat.translation.about import result_of, text_of


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


def test_a_row_must_be_of_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    row = {"system": "s", "corpus": "c", "test_set": "t", "bleu": 1.0, "chrf": 2.0}
    row |= {"bleu_signature": "s", "latency_ms": {}, "inputs": {"checkpoint": "abc"}}
    path.write_text(json.dumps(row))
    assert result_of(path, "abc")["tests"]["t"]["bleu"] == 1.0
    assert result_of(path, None)
    with pytest.raises(ValueError, match="must be a row of this checkpoint"):
        result_of(path, "abd")
    with pytest.raises(FileNotFoundError, match="none.json does not exist"):
        result_of(tmp_path / "none.json", None)
