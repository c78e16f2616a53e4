"""What the room's page says runs as it stands, with torch alone."""

import re
import subprocess
import sys
from pathlib import Path

import vq_nat.bottleneck

ROOM = Path(vq_nat.bottleneck.__file__).parent


def test_the_readmes_lines_run_without_fairseq() -> None:
    page = (ROOM / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    program = block[1] + (
        "import sys\n"
        "assert vectors.shape == (8, 10, 16) and bottleneck.num_updates == 1\n"
        "assert 'fairseq' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=ROOM.parents[1], timeout=120
    )
