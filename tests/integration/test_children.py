"""Who is killed leaves nobody behind: prepare.py's workers, torchrun's, fairseq's."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fairseq_commands import OPTIMIZER, STUDENT, USER_DIR, task

ROOT = Path(USER_DIR).parent
MARK = "VQ_NAT_TEST_FAMILY"  # in the environment of a command and all that it starts
PATIENCE = 60.0  # seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


class Family:
    """A command and all that it starts.

    Args:
        command: program and arguments.
    """

    def __init__(self, command: list[str]) -> None:
        self.mark = f"{MARK}={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        env = {**os.environ, name: value, "PYTHONPATH": str(ROOT)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.head = subprocess.Popen(
            command, env={**env, "OMP_NUM_THREADS": "1"}, **quiet
        )

    def members(self) -> dict[int, str]:
        """Returns what runs now: number of the process and its command."""
        commands = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_text("utf-8", "replace")
            except OSError:  # of somebody else, or gone meanwhile
                continue
            if self.mark.encode() in environment and command:
                commands[int(folder.name)] = command
        return commands

    def wait_for(self, ready: Callable[[dict[int, str]], bool]) -> None:
        """Waits until what runs is as it should be."""
        end = time.monotonic() + PATIENCE
        while not ready(self.members()):
            assert time.monotonic() < end, self.members()
            time.sleep(0.02)

    def kill_head(self) -> None:
        """Kills the command itself, which can tell its children nothing."""
        assert self.head.poll() is None
        self.head.kill()
        self.head.wait()

    def end(self) -> None:
        """Ends whatever is left."""
        for member in self.members():
            os.kill(member, signal.SIGKILL)
        self.head.wait()


@pytest.fixture
def start() -> Iterator[Callable[[list[str]], Family]]:
    """Starts a command, and ends what is left of it after the test."""
    families: list[Family] = []

    def run(command: list[str]) -> Family:
        families.append(Family(command))
        return families[-1]

    yield run
    for family in families:
        family.end()


def busy(name: str, at_least: int) -> Callable[[dict[int, str]], bool]:
    """Returns what tells whether so many processes run, one of them with a name."""

    def ready(members: dict[int, str]) -> bool:
        named = any(name in command for command in members.values())
        return named and len(members) >= at_least

    return ready


@pytest.mark.parametrize(
    "during, at_least",
    [("prepare.py", 3), ("fairseq_cli.preprocess", 3)],
)
def test_a_killed_preparation(
    during: str, at_least: int, start: Callable[[list[str]], Family], tmp_path: Path
) -> None:
    lines = {
        "en": [f"Number {i}." for i in range(8_000)],
        "de": [f"Die Zahl {i}." for i in range(8_000)],
    }
    for language, text in lines.items():
        for split, count in (("train", None), ("valid", 10), ("test", 10)):
            path = tmp_path / f"{split}.{language}"
            path.write_text("".join(f"{line}\n" for line in text[:count]))
    command = [sys.executable, str(ROOT / "data_prep" / "prepare.py")]
    command += ["--raw", str(tmp_path), "--out", str(tmp_path / "out")]
    command += ["--source-lang", "en", "--target-lang", "de"]
    family = start([*command, "--bpe-operations", "50", "--workers", "2"])
    family.wait_for(busy(during, at_least))
    family.kill_head()
    family.wait_for(lambda members: not members)


def test_a_killed_torchrun(
    start: Callable[[list[str]], Family], tmp_corpus: Path, tmp_path: Path
) -> None:
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    run += ["--local-addr", "127.0.0.1", "--nproc-per-node", "1"]
    run += ["-m", "fairseq_cli.train", *task(tmp_corpus), *STUDENT, *OPTIMIZER]
    run += ["--max-update", "1000000", "--save-dir", str(tmp_path / "run")]
    run += ["--save-interval-updates", "1", "--keep-interval-updates", "1"]
    run += ["--disable-validation", "--no-epoch-checkpoints"]
    run += ["--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp"]
    family = start([*run, "--distributed-world-size", "1"])
    family.wait_for(lambda _: any(tmp_path.glob("run/checkpoint*.pt")))
    assert len(family.members()) >= 2
    family.kill_head()
    family.wait_for(lambda members: not members)
