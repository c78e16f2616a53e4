"""Half a checkpoint: how it is avoided, told, and passed over."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from fairseq.file_io import PathManager

from vq_nat.fairseq_side import patches
from vq_nat.fairseq_side.resuming import copy_beside, is_torn, whole_checkpoint


def save(path: Path, age: int = 0) -> Path:
    torch.save({"model": torch.zeros(3)}, path)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def tear(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize("size", [0, 1, 2, 30, 700])
def test_a_beginning_is_no_checkpoint(tmp_path: Path, size: int) -> None:
    path = save(tmp_path / "checkpoint_last.pt")
    assert not is_torn(path)
    tear(path, size)
    assert is_torn(path)


def test_what_is_no_zip_file_is_left_to_torch(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"\x80\x02 of a torch before 1.6")
    assert not is_torn(tmp_path / "old.pt")
    assert not is_torn(tmp_path / "nowhere.pt")


def test_the_newest_whole_one_is_taken(tmp_path: Path) -> None:
    last = save(tmp_path / "checkpoint_last.pt")
    save(tmp_path / "checkpoint1.pt", age=20)
    newest = save(tmp_path / "checkpoint_best.pt", age=10)
    torn = save(tmp_path / "checkpoint2.pt", age=5)
    assert whole_checkpoint(tmp_path) is None
    tear(torn, 100)
    tear(last, 100)
    assert whole_checkpoint(tmp_path) == newest
    assert whole_checkpoint(tmp_path, "checkpoint2.pt") is None  # the user's own choice


def test_without_a_whole_one_it_says_so(tmp_path: Path) -> None:
    tear(save(tmp_path / "checkpoint_last.pt"), 100)
    with pytest.raises(ValueError, match="is cut off, and .* has no other one: delete"):
        whole_checkpoint(tmp_path)


def test_a_copy_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "checkpoint_last.pt", save(tmp_path / "checkpoint_best.pt")
    old.write_bytes(b"before")

    def fill_the_disk(source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", fill_the_disk)
        with pytest.raises(SystemExit, match=r"_last\.pt cannot .* No space left"):
            copy_beside(str(new), str(old), overwrite=True)
    assert old.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2
    assert copy_beside(str(new), str(old), overwrite=True)
    assert old.read_bytes() == new.read_bytes()


def test_fairseq_copies_this_way() -> None:
    patches.apply()
    assert PathManager.copy is copy_beside
