"""Owns pictures made of images: grids, originals beside reconstructions."""

from __future__ import annotations

import torch
from torch import Tensor

GAP = 2  # pixels between images
WHITE = 255


def grid_of(images: Tensor, columns: int) -> Tensor:
    """Lays images out in rows.

    Shape:
        (N, 3, H, W) uint8 → (3, height, width) uint8.
    """
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    page = images.new_full(
        (channels, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), WHITE
    )
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + GAP), index % columns * (width + GAP)
        page[:, top : top + height, left : left + width] = image
    return page


def side_by_side(originals: Tensor, others: Tensor, pairs: int = 4) -> Tensor:
    """Lays originals out, each with another image to its right.

    Args:
        originals: (N, 3, H, W) uint8.
        others: as many, for instance their reconstructions.
        pairs: of a row.

    Shape:
        (3, height, width) uint8.
    """
    both = torch.stack([originals, others], 1).flatten(0, 1)
    return grid_of(both.cpu(), 2 * pairs)
