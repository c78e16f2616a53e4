"""Layouts of images: each is found and read."""

import io
from pathlib import Path

import numpy
import pytest
import torch
from image_commands import draw_images, write_cifar
from image_files import encode, pixels, refused, write_folder, write_mat, write_parquet
from PIL import Image

from vq_nat.image import data
from vq_nat.image.data import open_images
from vq_nat.image.pixels import decode, decode_all


def test_the_binary_version_of_cifar(tmp_path: Path) -> None:
    home = write_cifar(tmp_path, train=40, test=6)
    first = torch.from_numpy(draw_images(8, seed=1))
    for path in (home, tmp_path):
        train, valid = pixels(path, "train"), pixels(path, "valid")
        assert torch.equal(train[:8], first)
        assert (len(train), len(valid)) == (36, 4)
        last = torch.from_numpy(draw_images(8, seed=5))[4:]
        assert torch.equal(valid, last)
        assert torch.equal(
            pixels(path, "test"), torch.from_numpy(draw_images(6, seed=6))
        )
    images = open_images(home, "train")
    assert images.shape == (3, 32, 32)
    assert images.name == "cifar-10-batches-bin/train"


def test_a_test_split_alone_is_read(tmp_path: Path) -> None:
    home = write_cifar(tmp_path, test=6)
    for path in home.glob("data_batch_*.bin"):
        path.unlink()
    expected = torch.from_numpy(draw_images(6, seed=6))
    for path in (home, tmp_path):
        assert torch.equal(pixels(path, "test"), expected)
    refused(tmp_path, r"data_batch_1\.bin is missing")


@pytest.mark.parametrize("column", ["img", "image"])
def test_parquet_files_in_order(tmp_path: Path, column: str) -> None:
    images = draw_images(12)
    write_parquet(tmp_path / "train-00000-of-00002.parquet", encode(images[:7]), column)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", encode(images[7:]), column)
    write_parquet(tmp_path / "test.parquet", encode(images[:3]), column)
    both = torch.cat([pixels(tmp_path, "train"), pixels(tmp_path, "valid")])
    assert torch.equal(both, torch.from_numpy(images))
    assert torch.equal(pixels(tmp_path, "test"), torch.from_numpy(images[:3]))


def test_a_validation_split_of_its_own_is_taken(tmp_path: Path) -> None:
    images = draw_images(10)
    (tmp_path / "data").mkdir()
    write_parquet(tmp_path / "data" / "train.parquet", encode(images[:6]))
    write_parquet(tmp_path / "data" / "validation.parquet", encode(images[6:]))
    assert torch.equal(pixels(tmp_path, "train"), torch.from_numpy(images[:6]))
    assert torch.equal(pixels(tmp_path, "valid"), torch.from_numpy(images[6:]))


def test_the_digits_of_svhn(tmp_path: Path) -> None:
    images = draw_images(20)
    write_mat(tmp_path / "train_32x32.mat", images)
    write_mat(tmp_path / "test_32x32.mat", images[:4])
    assert torch.equal(pixels(tmp_path, "train"), torch.from_numpy(images[:18]))
    assert torch.equal(pixels(tmp_path, "test"), torch.from_numpy(images[:4]))


def test_folders_of_images(tmp_path: Path) -> None:
    images = draw_images(20, size=16)
    write_folder(tmp_path / "flat", encode(images))
    assert open_images(tmp_path / "flat", "train").shape == (3, 16, 16)
    assert len(open_images(tmp_path / "flat", "valid")) == 2
    write_folder(tmp_path / "split" / "train" / "cats", encode(images[:10]))
    write_folder(tmp_path / "split" / "test", encode(images[10:]))
    parts = [pixels(tmp_path / "split", split) for split in ("train", "valid", "test")]
    assert torch.equal(torch.cat(parts), torch.from_numpy(images))


@pytest.mark.parametrize("valid", [True, False])
def test_no_split_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valid: bool
) -> None:
    for split in ("train", "test", *(["valid"] if valid else [])):
        write_folder(tmp_path / split, encode(draw_images(3, size=16)))
    reads, read = [], data.image_folder.read

    def counted(root: Path, split: str) -> numpy.ndarray | None:
        reads.append(split)
        return read(root, split)

    monkeypatch.setattr(data.image_folder, "read", counted)
    for split in ("train", "valid", "test", "train"):
        open_images(tmp_path, split)
    assert sorted(reads) == ["test", "train", "valid"]


@pytest.mark.parametrize("name", ["valid", "val", "validation"])
def test_the_folder_of_validation_has_its_usual_names(
    tmp_path: Path, name: str
) -> None:
    images = draw_images(4, size=16)
    write_folder(tmp_path / "train", encode(images[:3]))
    write_folder(tmp_path / name, encode(images[3:]))
    assert torch.equal(pixels(tmp_path, "train"), torch.from_numpy(images[:3]))
    assert torch.equal(pixels(tmp_path, "valid"), torch.from_numpy(images[3:]))


def test_jpeg_files_are_read(tmp_path: Path) -> None:
    images = draw_images(2, size=16)
    for number, content in enumerate(encode(images, "JPEG")):
        (tmp_path / f"{number}.JPG").write_bytes(content)
    assert len(open_images(tmp_path, "train")) == 1


def test_5000_images_validate_at_most() -> None:
    assert data.held_out(50_000, Path("x")) == 5000
    assert data.held_out(60_000, Path("x")) == 5000
    assert data.held_out(101, Path("x")) == 11
    assert data.held_out(2, Path("x")) == 1


def test_packed_digits_are_those_that_are_not(tmp_path: Path) -> None:
    images = numpy.random.default_rng(1).integers(0, 256, (400, 3, 32, 32), "uint8")
    write_mat(tmp_path / "train_32x32.mat", images, packed=True)  # more than one block
    assert torch.equal(pixels(tmp_path, "train"), torch.from_numpy(images[:360]))


def encode_as(mode: str, pixels: numpy.ndarray, **options: object) -> bytes:
    """A PNG of a mode of Pillow's. Shape: (3, H, W)."""
    image = Image.fromarray(pixels.transpose(1, 2, 0)).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def test_a_palette_and_an_opaque_alpha_lose_nothing() -> None:
    pixels = draw_images(1)[0] // 64 * 64 + 3  # at most 64 colours
    for mode in ("RGBA", "RGB"):
        decoded = decode("a.png", encode_as(mode, pixels))
        assert numpy.array_equal(decoded.transpose(2, 0, 1), pixels), mode
    image = Image.fromarray(pixels.transpose(1, 2, 0)).quantize(256)
    file = io.BytesIO()
    image.save(file, "PNG")
    expected = numpy.asarray(image.convert("RGB"))
    assert numpy.array_equal(decode("a.png", file.getvalue()), expected)


@pytest.mark.parametrize(("count", "hidden"), [(999, True), (1000, None)])
def test_a_bar_is_shown_for_a_thousand_images_and_more(
    count: int, hidden: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None: if there is a terminal."""
    asked = {}

    def bar(images: list[tuple[str, bytes]], **options: object) -> list[object]:
        asked.update(options)
        return list(images)

    monkeypatch.setattr("vq_nat.image.pixels.tqdm", bar)
    (image,) = encode(draw_images(1))
    decode_all([("x", image)] * count, count, "images")
    assert (asked["disable"], asked["total"]) == (hidden, count)
