"""A full disk: one sentence with the name, no half file, what was there stays."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from data_prep.lib.average import average_checkpoints
from data_prep.lib.steps import UserError
from vq_nat.cli.main import main

ROOM = 20_000  # bytes of a file: less than a model's weights
PACK, EXPORT = ("pack",), ("export",)
ONNX = ("export", "--format", "onnx")


@contextmanager
def little_room() -> Iterator[None]:
    """Lets no file of this process grow beyond ROOM, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "command", [PACK, EXPORT, ONNX, (*ONNX, "--int8")], ids=" ".join
)
def test_a_model_that_has_no_room(
    command: tuple[str, ...],
    checkpoint: Path,
    tmp_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    words = [*command, str(checkpoint), str(out), "--data", str(tmp_corpus)]
    with little_room():
        assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("vq-nat: ") and str(out) in said[-1]
    assert "File too large" in said[-1] and "Traceback" not in "".join(said)
    assert list(tmp_path.iterdir()) == []
    assert main(words) == 0


def test_a_training_that_has_no_room(train_into, tmp_path: Path) -> None:
    folder = train_into(tmp_path / "run", 2, "--disable-validation")
    last = folder / "checkpoint_last.pt"
    whole, files = last.read_bytes(), sorted(folder.iterdir())
    sentence = r"checkpoint\S+\.pt cannot be written: File too large\.$"
    with little_room(), pytest.raises(SystemExit, match=sentence):
        train_into(folder, 4, "--disable-validation")
    assert last.read_bytes() == whole and sorted(folder.iterdir()) == files
    train_into(folder, 4, "--disable-validation")
    assert torch.load(last)["optimizer_history"][-1]["num_updates"] == 4


def test_an_average_that_has_no_room(checkpoint: Path, tmp_path: Path) -> None:
    path, out = checkpoint / "checkpoint_best.pt", tmp_path / "teacher.pt"
    out.write_bytes(b"before")
    with little_room(), pytest.raises(UserError, match=r"teacher\.pt cannot .* large"):
        average_checkpoints([path, path], out)
    assert [p.name for p in tmp_path.iterdir()] == ["teacher.pt"]
    assert out.read_bytes() == b"before"
    average_checkpoints([path, path], out)
    assert out.stat().st_size > ROOM
