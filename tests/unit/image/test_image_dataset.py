"""Batches for fairseq: every image once an epoch, whoever asks and whenever."""

import pytest
import torch
from image_commands import draw_images

from vq_nat.image.data import ImageSet
from vq_nat.image.dataset import ImageDataset, mirror

COUNT = 10


def build(**options: object) -> ImageDataset:
    images = ImageSet(draw_images(COUNT, size=8), "boxes")
    return ImageDataset(images, **{"shuffle": True, **options})  # type: ignore[arg-type]


def batches(dataset: ImageDataset, epoch: int, size: int = 4) -> list[list[int]]:
    dataset.set_epoch(epoch)
    of_epoch = dataset.batch_by_size(dataset.ordered_indices(), max_sentences=size)
    return [batch.tolist() for batch in of_epoch]


def test_an_epoch_has_every_image_once_in_an_order_of_its_own() -> None:
    first, second = batches(build(), 1), batches(build(), 2)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(COUNT))
    assert first != second
    assert first == batches(build(), 1)
    assert first != batches(build(seed=2), 1)


def test_validation_keeps_the_order() -> None:
    assert sum(batches(build(shuffle=False), 3), []) == list(range(COUNT))
    assert build(shuffle=False).can_reuse_epoch_itr_across_epochs
    assert not build().can_reuse_epoch_itr_across_epochs


def test_a_batch_holds_its_images() -> None:
    dataset = build()
    batch = dataset.collater([dataset[3], dataset[1]])
    expected = torch.from_numpy(draw_images(COUNT, size=8))[[3, 1]]
    assert torch.equal(batch["net_input"]["images"], expected)
    assert (batch["id"].tolist(), batch["nsentences"]) == ([3, 1], 2)
    assert dataset.collater([]) == {}


def test_half_of_the_images_are_mirrored_alike_in_every_batch() -> None:
    dataset, plain = build(flip=True), build()
    dataset.set_epoch(1)
    ids = list(range(COUNT))
    images = dataset.collater(ids)["net_input"]["images"]
    before = plain.collater(ids)["net_input"]["images"]
    flipped = [not torch.equal(a, b) for a, b in zip(images, before)]
    assert 0 < sum(flipped) < COUNT
    for index in ids:
        alone = dataset.collater([index])["net_input"]["images"][0]
        assert torch.equal(alone, images[index])
    dataset.set_epoch(2)
    assert not torch.equal(dataset.collater(ids)["net_input"]["images"], images)


def test_the_first_epoch_need_not_be_set() -> None:
    dataset, told = build(flip=True), build(flip=True)
    told.set_epoch(1)
    ids = list(range(COUNT))
    first = dataset.collater(ids)["net_input"]["images"]
    assert torch.equal(first, told.collater(ids)["net_input"]["images"])


def test_a_mirrored_image_has_its_columns_reversed() -> None:
    images = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2)
    mirrored = mirror(images, torch.tensor([True, False]))
    assert torch.equal(mirrored[0], images[0][..., [1, 0]])
    assert torch.equal(mirrored[1], images[1])


def test_a_batch_size_is_needed() -> None:
    with pytest.raises(ValueError, match="`batch_size` must be given"):
        build().batch_by_size(torch.arange(3).numpy())
