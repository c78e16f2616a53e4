"""Pictures: every image in its place."""

import torch

from vq_nat.image.grids import GAP, WHITE, grid_of, side_by_side


def test_images_lie_in_rows() -> None:
    images = torch.arange(5 * 3 * 2 * 4).view(5, 3, 2, 4).to(torch.uint8)
    page = grid_of(images, columns=2)
    assert page.shape == (3, 3 * 2 + 2 * GAP, 2 * 4 + GAP)
    assert torch.equal(page[:, :2, :4], images[0])
    assert torch.equal(page[:, 2 + GAP : 4 + GAP, 4 + GAP :], images[3])
    assert (page[:, 4 + 2 * GAP :, 4:] == WHITE).all()


def test_an_original_is_left_of_its_reconstruction() -> None:
    originals = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    page = side_by_side(originals, originals + 7, pairs=2)
    assert page[0, 0, :2].tolist() == [0, 0]
    assert page[0, 0, 2 + GAP : 4 + GAP].tolist() == [7, 7]
    assert page.shape == (3, 4 + GAP, 8 + 3 * GAP)
