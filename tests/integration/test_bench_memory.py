"""examples/bench_memory.py with a corpus of a few pairs."""

import json
from pathlib import Path

import pytest

from examples import bench_memory


def test_memory_is_measured_and_set_in_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "memory.jsonl"
    sizes = ["--pairs", "200", "--operations", "50", "--workers", "1"]
    bench_memory.main([*sizes, "--out", str(out)])
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["pairs"] == 200 and row["peak_mib"] > 10
    assert row["threads"] == 1 and row["versions"] and row["processor"]
    table = out.with_suffix(".md").read_text()
    assert table == capsys.readouterr().out
    assert f"| 200 | {row['peak_mib']} MiB |" in table


def test_memory_of_a_training_needs_a_corpus(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as refused:
        bench_memory.main(["--updates", "2"])
    assert refused.value.code == 2
    sentence = "--updates and --data must be given together."
    assert sentence in capsys.readouterr().err
