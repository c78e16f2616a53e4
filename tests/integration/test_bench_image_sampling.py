"""The benchmark of sampling, at toy length: rows and a table are written."""

import json
from pathlib import Path

import pytest

from examples import bench_image_sampling as bench

TOY = ["--batch-size", "2", "--repeats", "1", "--threads", "1"]


def test_both_sides_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bench.main([*TOY, "--slices", "2", "--out", str(tmp_path)])
    plain, ours = (
        json.loads((tmp_path / bench.FILES[name]).read_text())
        for name in (bench.PLAIN, bench.OURS)
    )
    assert plain["of_plain"] == 1
    assert ours["of_plain"] == pytest.approx(
        ours["images_per_s"] / plain["images_per_s"], rel=0.02
    )
    assert (tmp_path / "sampling.md").read_text() in capsys.readouterr().out
    assert ours["kind"] == "image-sampling"


def test_misuse_is_one_sentence() -> None:
    with pytest.raises(SystemExit, match="--repeats must be at least 1"):
        bench.main(["--repeats", "0"])
