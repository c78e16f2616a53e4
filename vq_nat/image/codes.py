"""The codes of a set of images: computed once, counted, and served to fairseq."""

from typing import Any

import torch
from torch import Tensor

from ..bottleneck import perplexity, used_share
from .dataset import ShuffledDataset


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


def count_codes(codes: Tensor, num_codes: int) -> Tensor:
    """Counts how often each code is used. Shape: (N, L, G) → (G, K) float32."""
    slices = codes.flatten(0, 1).long().unbind(dim=-1)
    return torch.stack([one.bincount(minlength=num_codes) for one in slices]).float()


def code_use(codes: Tensor, num_codes: int) -> tuple[float, float]:
    """Returns perplexity and share of used codes, means over slices.

    Args:
        codes: of images. Shape: (N, L, G).
        num_codes: K.
    """
    counts = count_codes(codes, num_codes)
    return float(perplexity(counts)), float(used_share(counts))


class CodeDataset(ShuffledDataset):
    """Batches of grids of codes.

    Args:
        codes: of any integer type. Shape: (N, L, G).
        shuffle: draw a new order in every epoch.
        seed: of the order.
    """

    def __init__(self, codes: Tensor, shuffle: bool = False, seed: int = 1) -> None:
        super().__init__(len(codes), shuffle, seed)
        self.codes = codes

    def net_input(self, ids: Tensor) -> dict[str, Tensor]:
        """Cuts out grids. Shape: (B,) → int64 (B, L, G)."""
        return {"codes": self.codes[ids].long()}
