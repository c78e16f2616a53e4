"""What is handed from the autoencoder to the criterion."""

from typing import NamedTuple

from torch import Tensor

from ..bottleneck import BottleneckOutput


class ImageOutput(NamedTuple):
    """All that a forward pass over images gives."""

    bottleneck: BottleneckOutput
    """Of (B, L, C) encoder outputs; L = h · w grid places, row by row."""

    params: Tensor
    """(B, P, H, W) parameters of the likelihood, in autocast's type."""

    log_prob: Tensor
    """(B,) float32, log p(image | z) in nats."""
