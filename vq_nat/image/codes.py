"""The codes of a set of images: computed once, kept in memory, served to fairseq."""

from typing import Any

import numpy
import torch
from fairseq.data import FairseqDataset
from torch import Tensor


@torch.no_grad()
def encode_images(
    autoencoder: Any, images: Any, batch_size: int = 256, device: str = "cpu"
) -> Tensor:
    """Computes the codes of all images, in float32 whatever the training's autocast.

    Args:
        autoencoder: in evaluation mode, so that codes are the most probable ones.
        images: an `ImageSet`.
        batch_size: images encoded at a time.
        device: of the autoencoder.

    Returns:
        Codes, int16, or int32 if there are too many of them. Shape: (N, L, G).
    """
    kind = torch.int16 if autoencoder.num_codes <= 2**15 else torch.int32
    parts = []
    for start in range(0, len(images), batch_size):
        batch = images.images(slice(start, start + batch_size))
        codes = autoencoder.codes(batch.to(device))
        parts.append(codes.to(kind).cpu())
    return torch.cat(parts)


class CodeDataset(FairseqDataset):
    """Grids of codes as fairseq wants data; all of them are of one size.

    Args:
        codes: of any integer type. Shape: (N, L, G).
        shuffle: draw a new order for every epoch.
        seed: of the order.
    """

    def __init__(self, codes: Tensor, shuffle: bool = False, seed: int = 1) -> None:
        self.codes, self.shuffle, self.seed = codes, shuffle, seed
        self.epoch = 1

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"id": int(index), "codes": self.codes[int(index)]}

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Joins grids to a batch. Shape: codes (B, L, G), int64."""
        if not samples:
            return {}
        codes = torch.stack([sample["codes"] for sample in samples]).long()
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "net_input": {"codes": codes},
            "nsentences": len(codes),
            "ntokens": codes.numel(),
        }

    def num_tokens(self, index: int) -> int:
        """Counts the codes of an image, L · G."""
        return self.codes[0].numel()

    def num_tokens_vec(self, indices: numpy.ndarray) -> numpy.ndarray:
        """Counts the codes of images."""
        return numpy.full(len(indices), self.num_tokens(0))

    def size(self, index: int) -> int:
        """Counts the codes of an image."""
        return self.num_tokens(index)

    def ordered_indices(self) -> numpy.ndarray:
        """Returns the order of the epoch."""
        if not self.shuffle:
            return numpy.arange(len(self))
        return numpy.random.default_rng((self.seed, self.epoch)).permutation(len(self))

    def set_epoch(self, epoch: int) -> None:
        """Tells which epoch begins."""
        self.epoch = epoch

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Batches are made anew for every epoch if their images change."""
        return not self.shuffle
