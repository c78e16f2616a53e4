"""The source distribution holds all that the repository does, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOR_GIT_ALONE = {".gitignore"}


def tracked() -> list[str]:
    """Returns the files of the repository, new ones too."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs the repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def test_it_is_complete(tmp_path: Path) -> None:
    names = tracked()
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "setup.py", "-q", "egg_info"]  # lists what sdist packs
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (sources,) = tmp_path.glob("*.egg-info/SOURCES.txt")
    held = {n for n in sources.read_text().splitlines() if ".egg-info" not in n}
    assert held == set(names) - FOR_GIT_ALONE
