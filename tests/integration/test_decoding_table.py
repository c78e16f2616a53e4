"""examples/decoding_table.py with models of a few updates."""

import importlib.util
import json
from pathlib import Path

import pytest

from vq_nat.results.report import load_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    path = ROOT / "examples" / "decoding_table.py"
    spec = importlib.util.spec_from_file_location("decoding_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_modes_are_measured_and_set_in_a_table(
    script, checkpoint, train, teacher_model, tmp_corpus, tmp_path, capsys
) -> None:
    train(tmp_path / "teacher", 2, "--disable-validation", model=teacher_model)
    rows = ["--corpus", "copies", "--rows", str(tmp_path / "rows")]
    arguments = [str(checkpoint), "--raw", str(tmp_corpus.parent / "raw"), *rows]
    arguments += ["--teacher", str(tmp_path / "teacher" / "checkpoint_last.pt")]
    arguments += ["--modes", "npd-2", "both-1", "--sentences", "6", "--timed", "2"]
    assert script.main([*arguments, "--repeats", "1"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "rows" / "copies" / "decoding"
    by_mode = {p.stem: json.loads(p.read_text()) for p in folder.glob("*.json")}
    assert by_mode.keys() == {"plain", "npd-2", "both-1"}
    assert by_mode["plain"]["against_plain"] is None
    assert load_rows(tmp_path / "rows") == []  # not among the systems
    assert by_mode["npd-2"]["teacher_ms"] > 0
    assert by_mode["npd-2"]["decoding"]["candidates"] == 2
    assert by_mode["npd-2"]["sentences"] == 6
    assert script.main([*rows, "--table-only"]) == 0
    assert capsys.readouterr().out == printed


def test_misuse_is_one_sentence(script, checkpoint, tmp_path, capsys) -> None:
    arguments = [str(checkpoint), "--raw", str(tmp_path), "--corpus", "x"]
    assert script.main([*arguments, "--modes", "guess"]) == 1
    assert "error: a mode must be one of plain" in capsys.readouterr().err
