"""examples/bench_serve.py with a toy model and a few clients."""

import json
from pathlib import Path

import pytest

from examples.bench_serve import main
from vq_nat import engine


@pytest.mark.skipif(not engine.available(), reason="no engine")
def test_clients_are_served_and_counted(
    exported_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "test.en", tmp_path / "new" / "serve.json"
    text.write_text("a b c\nd e\n\nf g h i\n")
    times = ["--seconds", "1", "--warm-up", "0.1", "--clients", "4"]
    times += ["--window", "50"]  # in which a busy machine lets all four come
    main([str(exported_folder), "--sentences", str(text), "--out", str(out), *times])
    row = json.loads(out.read_text())
    assert row["sentences"] == 3 and row["model"]["languages"] == ["en", "de"]
    assert row["processor"] and row["packages"]["uvicorn"]
    alone, together, one_by_one = row["modes"].values()
    for mode in (alone, together, one_by_one):
        rate = mode["requests"] / mode["seconds"]
        assert mode["requests_per_s"] == pytest.approx(rate, rel=0.01)
        assert 0 < mode["p50_ms"] <= mode["p99_ms"] < 300
    assert (alone["clients"], together["clients"]) == (1, 4)
    assert alone["sentences_per_batch"] == one_by_one["sentences_per_batch"] == 1
    assert 1 < together["sentences_per_batch"] <= 4
    assert "4 clients, batches: " in capsys.readouterr().out
