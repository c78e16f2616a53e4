"""compare_engines.py: the engine writes what a trained model writes."""

import json
from pathlib import Path

import pytest

from examples import compare_engines


def test_the_engine_agrees_with_a_model(
    checkpoint: Path,
    tmp_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw, out = tmp_corpus.parent / "raw", tmp_path / "agreement.json"
    arguments = [str(checkpoint), "--raw", str(raw), "--first", "9"]
    compare_engines.main([*arguments, "--corpus", "copies", "--out", str(out)])
    assert "| greedy | float32 | 100.00 % | 100.00 % |" in capsys.readouterr().out
    row = json.loads(out.read_text())
    assert (row["corpus"], row["sentences"]) == ("copies", 9)
    kinds = [(one["search"], one["number_format"]) for one in row["agreement"]]
    assert len(set(kinds)) == len(kinds) == 4
    for one in row["agreement"]:
        if one["number_format"] == "float32":
            assert one["words"] == one["codes"] == one["sentences"] == 1
            assert one["score"] < 1e-4 and one["bleu"] == one["bleu_model"]
        else:  # hardly trained: much is nearly equally likely
            assert 0.5 < one["words"] <= 1


def test_shares_are_of_positions() -> None:
    assert compare_engines.share([("abc", "abd"), ("a", "a")]) == pytest.approx(3 / 4)
    assert compare_engines.share([("abcd", "ab")]) == pytest.approx(1 / 2)
    assert compare_engines.share([]) == 1
