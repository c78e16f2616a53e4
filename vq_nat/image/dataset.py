"""Owns images as fairseq's trainer wants them: shuffled, in batches, flipped or not."""

from __future__ import annotations

from typing import Any, Optional

import numpy
import torch
from fairseq.data import FairseqDataset
from torch import Tensor

from .data import ImageSet


class ShuffledDataset(FairseqDataset):
    """Batches of things of one size, which a subclass cuts out in `net_input`.

    What an epoch looks like is drawn from seed and number of the epoch alone, so that
    a resumed training sees what an unbroken one would have seen.

    Args:
        count: things there are.
        shuffle: draw a new order in every epoch.
        seed: of all draws.
    """

    def __init__(self, count: int, shuffle: bool, seed: int = 1) -> None:
        super().__init__()
        self.count, self.shuffle, self.seed = count, shuffle, seed
        self.epoch = 1

    def __getitem__(self, index: int) -> int:
        """Returns the index: a batch is cut out at once."""
        return int(index)

    def __len__(self) -> int:
        """Counts the things."""
        return self.count

    def net_input(self, ids: Tensor) -> dict[str, Tensor]:
        """Cuts out a batch. Shape: (B,)."""
        raise NotImplementedError

    def collater(self, samples: list[int]) -> dict[str, Any]:
        """Makes a batch of indices."""
        if len(samples) == 0:
            return {}
        ids = torch.tensor(samples)
        return {
            "id": ids,
            "nsentences": len(samples),
            "ntokens": len(samples),
            "net_input": self.net_input(ids),
        }

    def num_tokens(self, index: int) -> int:
        """An image counts as one token."""
        return 1

    def size(self, index: int) -> int:
        """An image counts as one token."""
        return 1

    def ordered_indices(self) -> numpy.ndarray:
        """Returns the order of this epoch."""
        if self.shuffle:
            return self._draws(0).permutation(len(self))
        return numpy.arange(len(self))

    def batch_by_size(
        self,
        indices: numpy.ndarray,
        max_tokens: Optional[int] = None,
        max_sentences: Optional[int] = None,
        required_batch_size_multiple: int = 1,
    ) -> list[numpy.ndarray]:
        """Cuts an order into batches of `--batch-size` images.

        Raises:
            ValueError: without a batch size.
        """
        size = max_sentences or max_tokens
        if not size:
            raise ValueError("`batch_size` must be given, but is not.")
        return [indices[i : i + size] for i in range(0, len(indices), size)]

    def set_epoch(self, epoch: int) -> None:
        """Goes on to another epoch; fairseq calls it before it makes batches."""
        self.epoch = epoch

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Whether batches may stay together from one epoch to the next."""
        return not self.shuffle

    def _draws(self, purpose: int) -> numpy.random.Generator:
        return numpy.random.default_rng((self.seed, self.epoch, purpose))


class ImageDataset(ShuffledDataset):
    """Batches of images.

    Args:
        images: the images.
        shuffle: draw a new order in every epoch.
        flip: mirror half of the images from left to right, others in every epoch.
        seed: of both draws.
    """

    def __init__(
        self, images: ImageSet, shuffle: bool, flip: bool = False, seed: int = 1
    ) -> None:
        super().__init__(len(images), shuffle, seed)
        self.images, self.flip = images, flip
        self.set_epoch(self.epoch)

    def net_input(self, ids: Tensor) -> dict[str, Tensor]:
        """Cuts out images. Shape: (B,) → uint8 (B, 3, H, W)."""
        images = self.images.images(ids)
        return {"images": mirror(images, self._flipped[ids]) if self.flip else images}

    def set_epoch(self, epoch: int) -> None:
        """Goes on to another epoch, with other images mirrored."""
        super().set_epoch(epoch)
        if self.flip:
            flipped = self._draws(1).random(len(self)) < 0.5
            self._flipped = torch.from_numpy(flipped)


def mirror(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirrors the chosen images from left to right. Shape: (B, 3, H, W), (B,)."""
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)
