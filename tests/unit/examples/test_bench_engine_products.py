"""The benchmark of products gives a row for each shape, number of rows and system."""

import json

import pytest

from vq_nat.engine import available, engine

if not available():
    pytest.skip("the engine is not compiled", allow_module_level=True)

from examples import bench_engine_products


@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_row_for_each_system(number_format, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_engine_products, "ARGMAX_FROM", 48)
    before = engine().instruction_set()
    out = tmp_path / "products.json"
    options = ["--shapes", "16x32", "16x48", "--rows", "1", "3", "--out", str(out)]
    formats = ["--number-format", number_format]
    bench_engine_products.main(
        [*options, *formats, "--sets", *engine().supported()[-1:]]
    )
    engine().choose(before)
    rows = json.loads(out.read_text())["rows"]
    assert [(row["outputs"], row["rows"]) for row in rows] == [
        (32, 1),
        (32, 3),
        (48, 1),
        (48, 3),
    ]
    assert [row["what"] for row in rows] == ["linear"] * 2 + ["argmax"] * 2
    assert all(row["us"] > 0 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == 4
