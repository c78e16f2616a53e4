"""Images that are broken, or of another kind, are named in a sentence."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy
import pytest
from image_commands import draw_images, write_cifar
from image_files import encode, refused, write_folder, write_mat, write_parquet
from PIL import Image

from vq_nat.image import data, svhn
from vq_nat.image.pixels import decode, decode_all


def encode_grey() -> bytes:
    """A grey-scale image of 32 × 32 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_truncated_batch_is_refused(tmp_path: Path) -> None:
    home = write_cifar(tmp_path)
    cut = home / "data_batch_3.bin"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-1])
    refused(tmp_path, r"data_batch_3\.bin must hold records of 3073 bytes.*cut off")
    cut.write_bytes(whole[:-3073])
    refused(tmp_path, r"data_batch_3\.bin must hold 8 images .* but holds 7")
    cut.write_bytes(b"")
    refused(tmp_path, r"data_batch_3\.bin must hold records")
    cut.unlink()
    refused(tmp_path, r"data_batch_3\.bin is missing")


def test_records_of_something_else_are_refused(tmp_path: Path) -> None:
    home = write_cifar(tmp_path)
    (home / "data_batch_2.bin").write_bytes(b"\xff" * 3073 * 8)
    refused(home, r"Record 1 of .*data_batch_2\.bin must begin with a label below 10")


@pytest.mark.parametrize("folder", ["", "cifar-10-batches-py"])
def test_pickles_are_refused_unread(tmp_path: Path, folder: str) -> None:
    home = tmp_path / folder
    home.mkdir(exist_ok=True)
    (home / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    refused(tmp_path, r"data_batch_1 must not be a pickle.*cifar-10-binary\.tar\.gz")


def test_a_corrupt_image_in_the_middle_is_named(tmp_path: Path) -> None:
    images = encode(draw_images(10))
    images[6] = images[6][: len(images[6]) // 2]
    write_parquet(tmp_path / "train.parquet", images)
    refused(tmp_path, r"Row 7 of .*train\.parquet cannot be decoded as an image")
    write_folder(tmp_path / "folder", images)
    refused(tmp_path / "folder", r"006\.png cannot be decoded as an image")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, [*encode(draw_images(2)), b"no image"])
    refused(
        tmp_path, r"002\.png cannot be decoded as an image: its format is unknown\.$"
    )


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "ICO", "PDF"])
def test_what_other_programs_decode_is_no_image(tmp_path: Path, kind: str) -> None:
    """By content: whatever a file is called, Ghostscript is never started."""
    images = encode(draw_images(1), kind)
    write_folder(tmp_path, images)
    refused(tmp_path, r"000\.png cannot be decoded as an image: its format is unknown")


def test_an_image_that_says_it_is_huge_is_not_decoded(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk
    content += struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IEND\xaeB`\x82"
    write_folder(tmp_path, [content])
    refused(tmp_path, r"000\.png cannot be decoded .* more than 16,777,216 pixels")


def test_grey_images_are_refused(tmp_path: Path) -> None:
    images = [*encode(draw_images(3)), encode_grey()]
    write_folder(tmp_path, images)
    refused(tmp_path, r"003\.png must have the three colours.*mode L.*grey-scale")
    write_mat(tmp_path / "train_32x32.mat", draw_images(3)[:, :1])
    refused(tmp_path, r"X in .*train_32x32\.mat must be uint8 of shape.*\(32, 32, 1, 3")


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    images = [*encode(draw_images(3)), *encode(draw_images(1, size=28))]
    write_parquet(tmp_path / "train.parquet", images)
    refused(tmp_path, r"Row 4 of .* must be of 32 × 32 pixels like Row 1 .* 28 × 28")


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write_parquet(path, encode(draw_images(8)))
    path.write_bytes(path.read_bytes()[:-100])
    refused(tmp_path, r"train\.parquet must be a Parquet file of images, but cannot")


def test_damage_within_a_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write_parquet(path, encode(draw_images(8)))
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    refused(tmp_path, r"train\.parquet must be|Row \d of .*train\.parquet")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", encode(draw_images(2)), "picture")
    refused(tmp_path, r"must have a column img or image, but has picture")


def test_a_row_without_an_image_is_named(tmp_path: Path) -> None:
    images: list[bytes | None] = [*encode(draw_images(2)), None]
    write_parquet(tmp_path / "train.parquet", images)  # type: ignore[arg-type]
    refused(tmp_path, r"Row 3 of .* must hold the bytes of an image")


def test_a_truncated_mat_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    write_mat(path, draw_images(3))
    path.write_bytes(path.read_bytes()[:1000])
    refused(tmp_path, r"train_32x32\.mat must be a \.mat file .* it is cut off")
    path.write_bytes(b"MATLAB 7.3".ljust(126) + b"HD")
    refused(tmp_path, r"train_32x32\.mat must be a \.mat file .* begins otherwise")


def test_a_parquet_file_that_lies_about_its_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    images = encode(draw_images(100, size=8))
    write_parquet(path, images)
    whole = path.read_bytes()
    rows = b"\x16\xc8\x01\x19"  # 100 in the footer, and then the list of groups
    assert whole.count(rows) == 1
    for said, count in ((b"\xca\x01", 101), (b"\xc6\x01", 99), (b"\xff\x7f", None)):
        lying = whole.replace(rows, b"\x16" + said + b"\x19")
        path.write_bytes(lying[:-8] + footer_size(whole, len(lying)) + b"PAR1")
        if count:
            refused(tmp_path, f"must hold {count} images, as its files say, .* 100")
        else:
            refused(tmp_path, r"train\.parquet must hold images, but holds none")


def footer_size(whole: bytes, size: int) -> bytes:
    """The length of a footer, once the file has another size."""
    stated = int.from_bytes(whole[-8:-4], "little") + size - len(whole)
    return stated.to_bytes(4, "little")


def test_a_parquet_file_of_no_bytes_is_refused(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "train.parquet"
    parquet.write_table(pyarrow.table({"img": [[1], [2]]}), path)
    refused(tmp_path, r"train\.parquet must have the bytes .* but has list<.*int64>")


def test_what_unpacks_to_more_than_fits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound is for files that no one has; here it is small."""
    images = draw_images(8)
    write_parquet(tmp_path / "parquet" / "train.parquet", encode(images))
    write_mat(tmp_path / "mat" / "train_32x32.mat", images, packed=True)
    write_folder(tmp_path / "folder", encode(images))
    write_cifar(tmp_path / "cifar")
    for module, name in (
        (data.parquet, "MOST_UNPACKED"),
        (svhn, "MOST_BYTES"),
        (data.image_folder, "MOST_BYTES"),
        (data.cifar_binary, "MOST_RECORDS"),
    ):
        monkeypatch.setattr(module, name, 7)
    refused(tmp_path / "parquet", r"train\.parquet must have at most 7 bytes of images")
    refused(tmp_path / "mat", r"32x32\.mat must be .* unpacks to more than 7 bytes")
    refused(tmp_path / "folder", r"000\.png must be an image of at most 7 bytes")
    refused(tmp_path / "cifar", r"batch_1\.bin must hold at most 7 images, .* 8")


def test_more_images_than_memory_holds_are_refused() -> None:
    image = ("a.png", encode(draw_images(1))[0])
    for count in (2**25, 2**62):  # 100 GB
        with pytest.raises(ValueError, match=r"^x must fit in memory, but has [\d,]+"):
            decode_all([image], count, "x")


def test_a_nest_of_cells_is_no_array_of_images(tmp_path: Path) -> None:
    from scipy.io import savemat

    cells = numpy.empty((1, 1), object)
    cells[0, 0] = numpy.ones(3)
    savemat(tmp_path / "train_32x32.mat", {"X": cells})
    refused(tmp_path, r"X in .*train_32x32\.mat must be uint8, but is cell instead")


def test_files_without_images_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", [])
    refused(tmp_path, r"train\.parquet must hold images, but holds none")
    with pytest.raises(ValueError, match=r"x\.mat must hold images, but holds none"):
        svhn.to_images(numpy.zeros((32, 32, 3, 0), numpy.uint8), Path("x.mat"))


def test_empty_and_missing_folders_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, "must hold images, but does not: there may be")
    (tmp_path / "train").mkdir()
    refused(tmp_path, "train must hold images, but holds none")
    refused(tmp_path / "none", "must be a folder of images, but does not exist")
    (tmp_path / "x.tar.gz").touch()
    refused(tmp_path / "x.tar.gz", "is an archive instead: unpack it")
    write_folder(tmp_path / "flat", encode(draw_images(3)))
    refused(tmp_path / "flat", "must hold a test split, but does not", "test")
    refused(tmp_path, "`split` must be one of train, valid, test, but is 'dev'", "dev")
    write_folder(tmp_path / "one", encode(draw_images(1)))
    refused(tmp_path / "one", "at least 2 training images.*holds 1")


@pytest.mark.parametrize(
    ("package", "file"), [("pyarrow", "train.parquet"), ("scipy.io", "train_32x32.mat")]
)
def test_a_missing_reader_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, file: str
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setitem(sys.modules, package, None)
    name = package.split(".")[0]
    refused(tmp_path, rf"package {name} must be installed .*\[image\]")


def test_a_missing_decoder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, encode(draw_images(2)))
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(tmp_path, r"package pillow must be installed .*\[image\]")


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_is_transparent_is_refused(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (1, 2, 3, 255))
    image.putpixel((2, 1), (9, 9, 9, 254 if mode == "RGBA" else 0))
    file = io.BytesIO()
    if mode == "P":
        image = image.convert("RGB").quantize(4)
        image.save(file, "PNG", transparency=0)
    else:
        image.save(file, "PNG")
    with pytest.raises(ValueError, match="a.png must have .* but is of mode RGBA"):
        decode("a.png", file.getvalue())
