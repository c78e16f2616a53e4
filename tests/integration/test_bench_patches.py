"""examples/bench_patches.py on a toy corpus, two updates a run."""

import subprocess
from pathlib import Path

from warm_python import warm_python

from vq_nat.fairseq_side.patches import PATCHES

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "bench_patches.py"


def test_every_speed_up_is_measured(tmp_corpus: Path) -> None:
    command = [warm_python(), str(SCRIPT), "--data", str(tmp_corpus), "--rounds", "1"]
    command += ["--updates", "2", "--warm-up", "1", "--arch", "vq_em_transformer_tiny"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()[4:]]
    assert rows == [patch.name for patch in PATCHES if patch.speed_up]
