"""Whatever befalls a file: one sentence with its name, soon, by every door."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vq_nat.cli.main import main

LIMIT = 60  # seconds, of a door; most take far less than one
DATA = ("dict.en.txt", "dict.de.txt", "bpe.codes", "text.json")
BINARY = ("valid.en-de.en.idx", "valid.en-de.de.idx")


def flip(content: bytes) -> bytes:
    """Turns bits over in the middle."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 0x84]) + content[half + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "first byte": lambda content: content[:1],
    "half": lambda content: content[: len(content) // 2],
    "flipped": flip,
    "last byte": lambda content: content[:-1],
    "web page": lambda content: b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "ones": lambda content: b"\xff" * len(content),
    "doubled": lambda content: content * 2,
}


@contextmanager
def in_time() -> Iterator[None]:
    """Ends what hangs."""

    def end(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def student(checkpoint: Path, tmp_corpus: Path, tmp_path: Path) -> Path:
    """A folder with a checkpoint and all its data, to be damaged."""
    folder = tmp_path / "student"
    shutil.copytree(tmp_corpus, folder)
    shutil.copyfile(checkpoint / "checkpoint_best.pt", folder / "checkpoint_best.pt")
    return folder


def refused(words: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Runs a command; tells whether it ended in one sentence that has the name.

    Damage that leaves a file what it must be is none that can be seen.
    """
    with in_time():
        status = main(words)
    said = capsys.readouterr().err.splitlines()
    assert status in (0, 2)
    if status == 2:
        assert said[-1].startswith("vq-nat: ") and name in said[-1]
        assert "Traceback" not in "".join(said)
    return status == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(
    damage: str, student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, refusals = DAMAGES[damage], []
    page = ["codes", str(student), str(student), "--sentence", "a b", "--out"]
    export = ["export", "--data", str(student), str(student)]
    for name in ("checkpoint_best.pt", *DATA, *BINARY):
        path = student / name
        whole = path.read_bytes()
        path.write_bytes(change(whole))
        if name not in BINARY:
            door = [*export, str(tmp_path / f"export-{name}")]
            refusals.append(refused(door, name, capsys))
        door = [*page, str(tmp_path / "out")]
        refusals.append(refused(door, name, capsys))
        path.write_bytes(whole)
    if damage in ("empty", "web page", "ones"):
        assert all(refusals)
    assert sum(refusals[:2]) == 2 or damage == "doubled"  # a checkpoint has check sums
    assert not refused([*page, str(tmp_path / "out")], "", capsys)
