"""examples/bench_engine.py and bench_engine_memory.py with models of toy size."""

import json
import subprocess
from pathlib import Path

import pytest
from warm_python import warm_python

from examples import bench_engine, bench_engine_memory
from examples.lib.engine_models import SIZES
from vq_nat import engine

EXAMPLES = Path(bench_engine.__file__).parent

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs the engine")


def test_engines_are_compared_and_the_report_is_made_of_rows(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    pytest.importorskip("onnxruntime")
    bench_engine.main(["--quick", "--out", str(tmp_path)])
    rows = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert {(row["words"], row["batch_size"]) for row in rows} == {
        *((5, 1), (9, 1), (5, 3), (9, 3))
    }
    for row in rows:
        engines = {one["engine"] for one in row["systems"].values()}
        assert engines == {"vq-nat", "CTranslate2", "ONNX", "PyTorch"}
        assert all(len(one["rounds_ms"]) == 2 for one in row["systems"].values())
        deep = {"VQ 2+1+2", "words 2+1+2"}
        assert set(row["stages"]) == {"VQ", "words", "1+1", "2+1"} | deep
        for stages in row["stages"].values():
            times = {one["stage"]: one for one in stages}
            assert times["encode"]["ms"] > times["encode"]["limit_ms"] > 0
            assert times["output"]["ms"] > times["output"]["limit_ms"] > 0
    report = (tmp_path / "bench_engine.md").read_text()
    for name, one in rows[0]["systems"].items():
        assert f"| {name} |" in report
        assert f"{one['ms']['median']:.3g} (" in report
    assert "times as fast (at 5, 9 words)" in report
    assert (tmp_path / "bench_engine.png").stat().st_size > 10_000


def test_the_names_of_sizes_are_those_of_the_models() -> None:
    assert tuple(SIZES) == bench_engine.NAMES


def test_translations_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 5 words, but one has 7 instead"):
        bench_engine.check_lengths("one", [5, 7], 5)


def test_a_report_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must hold rows, but has none"):
        bench_engine.main(["--report", "--out", str(tmp_path)])


@pytest.mark.parametrize(
    ("script", "words", "sentence"),
    [
        ("bench_engine", ["--report", "--out", "OUT"], "must hold rows, but has none"),
        ("bench_engine", ["--sizes", "huge", "--out", "OUT"], "invalid choice: 'huge'"),
        ("bench_engine_products", ["--shapes", "16"], "must be INPUTSxOUTPUTS"),
        ("bench_engine_products", ["--sets", "nonsense"], "invalid choice: 'nonsense'"),
        (
            "compare_engines",
            ["x.pt", "--raw", "OUT", "--first", "-5"],
            "number above 0",
        ),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path, script: str, words: list[str], sentence: str
) -> None:
    command = [warm_python(), str(EXAMPLES / f"{script}.py")]
    command += [str(tmp_path) if word == "OUT" else word for word in words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode and sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_memory_of_many_sentences_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "memory.json"
    bench_engine_memory.main(["--sentences", "2000", "--out", str(out)])
    rows = json.loads(out.read_text())["rows"]
    assert {(row["model"], row["batch_size"]) for row in rows} == {
        (model, size) for model in ("VQ", "1+1") for size in (1, 64, 1000)
    }
    assert all(row["sentences"] == 2000 and row["mib"] > 10 for row in rows)
