"""Files of images in the layouts that are read."""

import io
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from vq_nat.image.data import open_images

Encoded = list[bytes]


def encode(images: numpy.ndarray, kind: str = "PNG") -> Encoded:
    """Images as files, by what they hold."""
    files = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, kind)
        files.append(buffer.getvalue())
    return files


def write_parquet(path: Path, images: Encoded, column: str = "img") -> None:
    """Writes a file as on the Hugging Face hub."""
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(exist_ok=True)
    rows = [{"bytes": content, "path": None} for content in images]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({column: pyarrow.array(rows, kind)})
    parquet.write_table(table, path, row_group_size=4)


def write_folder(folder: Path, images: Encoded) -> None:
    """Writes image files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(images):
        (folder / f"{number:03}.png").write_bytes(content)


def write_mat(path: Path, images: numpy.ndarray, packed: bool = False) -> None:
    """Writes a file as SVHN's."""
    from scipy.io import savemat

    path.parent.mkdir(exist_ok=True)
    labels = numpy.ones((len(images), 1), numpy.uint8)
    content = {"X": images.transpose(2, 3, 1, 0), "y": labels}
    savemat(path, content, do_compression=packed)


def pixels(path: Path, split: str) -> torch.Tensor:
    """All images of a split."""
    return open_images(path, split).images(slice(None))


def refused(path: Path, sentence: str, split: str = "train") -> None:
    """Expects one sentence."""
    with pytest.raises(ValueError, match=sentence) as caught:
        open_images(path, split)
    assert "\n" not in str(caught.value)
