"""Tests of cifar10.py on small archives with the official layout."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from corpus_helpers import leftovers
from image_commands import draw_images, write_cifar

from data_prep import cifar10
from vq_nat.image import open_images


def write_archive(path: Path, batches: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"readme.html": b"<html>", **batches}.items():
            entry = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write_sums(mirror: Path) -> None:
    rows = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(mirror.iterdir())
        if path.name != "SHA256SUMS"
    ]
    (mirror / "SHA256SUMS").write_text("".join(rows))


@pytest.fixture
def batches(tmp_path: Path) -> dict[str, bytes]:
    home = write_cifar(tmp_path / "made", train=20, test=4)
    return {path.name: path.read_bytes() for path in home.iterdir()}


@pytest.fixture
def mirror(tmp_path: Path, batches: dict[str, bytes]) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    write_archive(folder / cifar10.ARCHIVE, batches)
    write_sums(folder)
    return folder


def prepare(out: Path, mirror: Path, *arguments: str) -> None:
    cifar10.main(["--out", str(out), "--mirror", str(mirror), *arguments])


def test_the_archive_becomes_images(tmp_path: Path, mirror: Path) -> None:
    out = tmp_path / "out"
    prepare(out, mirror)
    assert len(open_images(out / "images", "train")) == 18
    assert open_images(out / "images", "test").shape == (3, 32, 32)
    files = {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.bin")}
    assert len(files) == 6
    prepare(out, mirror)
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_another_archive_is_refused_and_removed(tmp_path: Path, mirror: Path) -> None:
    (mirror / "SHA256SUMS").unlink()  # then the official sum counts
    with pytest.raises(SystemExit, match="error: .*must have the md5 c32a1d4a"):
        prepare(tmp_path / "out", mirror)
    assert not list((tmp_path / "out").rglob("cifar*"))


def test_a_truncated_archive_leaves_nothing(tmp_path: Path, mirror: Path) -> None:
    path = mirror / cifar10.ARCHIVE
    path.write_bytes(path.read_bytes()[:-5000])
    write_sums(mirror)
    with pytest.raises(SystemExit, match=r"tar\.gz is not a complete archive"):
        prepare(tmp_path / "out", mirror)
    assert not (tmp_path / "out" / "images").exists()
    assert not leftovers(tmp_path / "out")


@pytest.mark.parametrize("kind", ["short", "missing"])
def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, mirror: Path, batches: dict[str, bytes], kind: str
) -> None:
    content = batches.pop("data_batch_2.bin")
    if kind == "short":
        batches["data_batch_2.bin"] = content[:-1]
    write_archive(mirror / cifar10.ARCHIVE, batches)
    write_sums(mirror)
    with pytest.raises(SystemExit, match=r"error: .*data_batch_2\.bin"):
        prepare(tmp_path / "out", mirror)
    assert not (tmp_path / "out" / "images").exists()


def test_the_digits_of_svhn_are_taken_as_they_are(tmp_path: Path) -> None:
    from scipy.io import savemat

    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for split, count in (("train", 10), ("test", 3)):
        images = draw_images(count).transpose(2, 3, 1, 0)
        savemat(mirror / f"{split}_32x32.mat", {"X": images})
    write_sums(mirror)
    prepare(tmp_path / "out", mirror, "--svhn")
    assert len(open_images(tmp_path / "out" / "images", "test")) == 3
