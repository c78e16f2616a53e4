"""The benchmark of image training: the table, and the whole of it at toy length."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from warm_python import warm_python

from examples import bench_image

ROOT = Path(__file__).resolve().parents[2]


def row(system: str, speed: float) -> dict[str, Any]:
    """A row that nobody measured."""
    return {
        **{"system": system, "images_per_s": {"median": speed, "all": [speed]}},
        **{"arch": "vqvae_x", "updates": 5, "batch_size": 8, "autocast": "none"},
        **{"processor": "an abacus", "threads": 2, "commit": "abc123"},
        "versions": {"torch": "2.13.0"},
    }


def test_the_table_is_relative_to_the_plain_loop() -> None:
    rows = [row(bench_image.PLAIN, 200), row(bench_image.FAIRSEQ, 190)]
    lines = bench_image.table(rows).splitlines()
    assert "| fairseq-train | 190 | 95.0 % |" in lines
    assert "abc123" in lines[-1]


def test_all_sides_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", warm_python())
    sizes = ["--updates", "2", "--warm-up", "1", "--repeats", "1", "--threads", "1"]
    sizes += ["--batch-size", "8", "--images", "100", "--autocast", "none"]
    bench_image.main([*sizes, "--results", str(tmp_path)])
    folder = tmp_path / "vqvae_cifar10_tiny-cpu-1-threads"
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    sides = [bench_image.ALONE, bench_image.FAIRSEQ, bench_image.PLAIN]
    assert [row["system"] for row in rows] == sides
    assert all(row["images_per_s"]["median"] > 1 for row in rows)
    assert "| plain PyTorch loop |" in (folder / "image_training.md").read_text()


def test_misuse_is_one_sentence() -> None:
    with pytest.raises(SystemExit, match="--updates must be a multiple of --warm-up"):
        bench_image.main(["--updates", "15"])
    with pytest.raises(SystemExit, match="--repeats must be at least 1, but is 0"):
        bench_image.main(["--repeats", "0"])
