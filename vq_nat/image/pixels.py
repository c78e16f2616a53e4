"""Owns encoded images: bytes of a PNG or JPEG, or whole lists of them, to pixels."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any

import numpy
from tqdm import tqdm

# Pillow knows forty more, some of which it hands to other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
MOST_PIXELS = 2**24
MOST_BYTES = 2**26  # of an encoded image
MOST_KEPT = 2**35  # bytes of a split, which is kept in memory
Named = tuple[str, bytes]  # a file, or a row of a file, and its bytes


def decode_all(images: Iterable[Named], count: int, title: str) -> numpy.ndarray:
    """Decodes images of one size.

    Args:
        images: where each comes from, and its bytes.
        count: how many there are.
        title: of the progress bar.

    Shape:
        (N, 3, H, W) uint8.

    Raises:
        ValueError: if one cannot be decoded, or is of another size than the first; if
            there are more or fewer of them, or more than memory holds.
    """
    pixels = first = None
    index = -1
    bar = tqdm(
        images,
        total=count,
        desc=title,
        unit=" images",
        leave=False,
        disable=count < 1000 or None,  # None: where there is no terminal
        file=sys.stderr,
    )
    for index, (origin, content) in enumerate(bar):
        image = decode(origin, content)
        if pixels is None:
            first, size = origin, image.shape
            pixels = room(count, size, title)
        elif image.shape != size:
            raise ValueError(
                f"{origin} must be of {size[1]} × {size[0]} pixels like {first}, but "
                f"is of {image.shape[1]} × {image.shape[0]} instead."
            )
        if index < count:
            pixels[index] = image.transpose(2, 0, 1)
    if pixels is None:
        raise ValueError(f"{title} must hold images, but holds none.")
    if index + 1 != count:
        raise ValueError(
            f"{title} must hold {count} images, as its files say, but holds "
            f"{index + 1} instead."
        )
    return pixels


def room(count: int, size: tuple[int, ...], title: str) -> numpy.ndarray:
    """Returns room for images.

    Args:
        count: how many there are, as the files say.
        size: height, width, and more.
        title: of the images, for the message.

    Shape:
        (N, 3, H, W) uint8.

    Raises:
        ValueError: if that is more than memory holds.
    """
    shape = (count, 3, *size[:2])
    too_many = ValueError(
        f"{title} must fit in memory, but has {count:,} images of {size[1]} × "
        f"{size[0]} pixels."
    )
    if count * 3 * size[0] * size[1] > MOST_KEPT:
        raise too_many
    try:
        return numpy.empty(shape, dtype=numpy.uint8)
    except MemoryError:
        raise too_many from None


def decode(origin: str, content: bytes) -> numpy.ndarray:
    """Decodes an image.

    Shape:
        (H, W, 3) uint8.

    Raises:
        ValueError: if it is damaged, or not of three colours.
    """
    image_module = pillow()
    if len(content) > MOST_BYTES:
        raise ValueError(
            f"{origin} must be an image of at most {MOST_BYTES:,} bytes, but has "
            f"{len(content):,}."
        )
    try:
        with image_module.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:  # as the file says, before it is decoded
                raise ValueError(f"it has more than {MOST_PIXELS:,} pixels")
            image.load()
            image = three_colours(image)
            mode, pixels = image.mode, numpy.asarray(image)
    except Exception as e:  # of damaged images decoders say whatever befalls them
        # Of an unknown format Pillow says nothing but where the bytes lie in memory.
        unknown = isinstance(e, image_module.UnidentifiedImageError)
        reason = "its format is unknown" if unknown else str(e).rstrip(".")
        raise ValueError(f"{origin} cannot be decoded as an image: {reason}.") from None
    if mode != "RGB":
        raise ValueError(
            f"{origin} must have the three colours red, green and blue (mode RGB), but "
            f"is of mode {mode} instead{GREY if mode in ('1', 'L', 'LA') else ''}."
        )
    return pixels


GREY = ", a grey-scale image"


def three_colours(image: Any) -> Any:
    """Returns an image in mode RGB, if nothing is lost by that.

    A palette names colours, and where everything is opaque an alpha channel says
    nothing. What is transparent would take a colour that nobody has chosen.

    Args:
        image: pillow's, loaded.
    """
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
        return image.convert("RGB")
    return image


def pillow() -> Any:
    """Returns Pillow's module `Image`.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(missing("pillow", "encoded images")) from None
    return Image


def missing(package: str, what: str) -> str:
    """Says how to install what reads something."""
    return (
        f"The package {package} must be installed to read {what}, but is not; "
        "`pip install -e '.[image]'` does so."
    )
