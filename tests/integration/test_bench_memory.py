"""examples/bench_memory.py with a corpus of a few pairs."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "bench_memory.py"


def test_memory_is_measured_and_set_in_a_table(tmp_path: Path) -> None:
    out = tmp_path / "new" / "memory.jsonl"
    command = [sys.executable, str(SCRIPT), "--pairs", "200", "--operations", "50"]
    command += ["--workers", "1", "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["pairs"] == 200 and row["peak_mib"] > 10
    assert row["threads"] == 1 and row["versions"] and row["processor"]
    table = out.with_suffix(".md").read_text()
    assert table == result.stdout
    assert f"| 200 | {row['peak_mib']} MiB |" in table


def test_memory_of_a_training_needs_a_corpus() -> None:
    command = [sys.executable, str(SCRIPT), "--updates", "2"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--updates and --data must be given together." in result.stderr
