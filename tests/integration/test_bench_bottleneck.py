"""The benchmark of the bottleneck, on a small input and without its rival."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples import bench_bottleneck as bench

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "bench_bottleneck.py"

SMALL = ("--n", "64", "--width", "8", "--codes", "16", "--threads", "1")


def row(system: str, seconds: float, extra: int) -> dict[str, Any]:
    """A row that nobody measured."""
    return {
        "kind": "bottleneck",
        "system": system,
        **{"vectors": 1024, "width": 8, "codes": 256, "samples": 10, "threads": 2},
        "seconds": {"median": seconds, "all": [seconds] * 3},
        "extra_bytes": extra,
        **{"device": "cpu", "processor": "an abacus", "dtype": "float32"},
        **{"versions": {"torch": "2.13.0"}, "commit": "abc123"},
    }


def test_ratios_and_memory_come_from_the_rows() -> None:
    rows = [row(bench.BASELINE, 0.4, 4 * 2**20), row("hard", 0.1, 2**20)]
    lines = bench.table(rows).splitlines()
    assert lines[2] == f"| {bench.BASELINE} | 400.0 | 1.00 | 4.00 | 4 | 4.00 |"
    assert lines[3] == "| hard | 100.0 | 0.25 | 1.00 | 1 | 1.00 |"


def test_rows_are_filed_by_machine_and_read_in_order(tmp_path: Path) -> None:
    rows = [row("soft, M = 10", 0.2, 1), row(bench.BASELINE, 0.4, 1)]
    folder = bench.folder_of(rows, tmp_path)
    assert folder == tmp_path / "cpu-2-threads"
    for each in rows:
        bench.write_json(each, folder / bench.file_name(each["system"]))
    assert sorted(path.name for path in folder.iterdir()) == [
        "soft-m10.json",
        "vector-quantize-pytorch.json",
    ]
    assert bench.load_rows(folder, rows[0]) == rows[::-1]
    other = row("hard", 0.1, 1) | {"vectors": 64}  # measured at another time
    bench.write_json(other, folder / "hard.json")
    assert bench.load_rows(folder, rows[0]) == rows[::-1]


def test_every_system_of_ours_is_timed_and_weighed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = bench.build_parser().parse_args([*SMALL, "--repeats", "2"])
    names = [name for name in bench.system_names(10) if name != bench.BASELINE]
    times = bench.measure_times(names, args)
    assert all(len(times[name]) == 2 and min(times[name]) > 0 for name in names)
    assert 0 <= bench.measure_memory("soft, M = 10", args) < 2**28


def test_each_member_is_timed_beside_its_peer(tmp_path: Path) -> None:
    pytest.importorskip("vector_quantize_pytorch")
    args = bench.build_parser().parse_args([*SMALL, "--repeats", "1", "--members"])
    names = bench.system_names(10, members=True)
    times = bench.measure_times(names, args)
    assert all(times[name][0] > 0 for name in names)
    assert 0 <= bench.measure_memory("residual, 4 slices", args) < 2**28
    rows = [row(name, 0.2, 2**20) | {"kind": bench.KINDS[1]} for name in names]
    rows[1]["seconds"]["median"] = 0.4
    lines = bench.table(rows).splitlines()
    assert lines[2] == "| hard EM | 200.0 | 400.0 | 0.50 | 1 | 1 |"
    assert "| Gumbel-softmax | 200.0 | – | – | 1 | – |" in lines
    assert bench.folder_of(rows, tmp_path).name == "cpu-2-threads-members"
    assert len({bench.file_name(name) for name in names}) == len(names)


def test_without_the_rival_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    blocker = tmp_path / "vector_quantize_pytorch.py"
    blocker.write_text("raise ImportError\n")
    code = (
        f"import runpy, sys; sys.path.insert(1, {str(tmp_path)!r}); "
        f"sys.argv = ['bench', *{SMALL!r}]; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    sentence = "error: the package vector-quantize-pytorch must be installed"
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_misuse_is_one_sentence() -> None:
    with pytest.raises(SystemExit, match="--n must be at least 1, but is 0"):
        bench.main(["--n", "0"])
