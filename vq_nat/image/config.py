"""Options of the image autoencoder and its named sizes.

No `from __future__ import annotations` here: fairseq turns the fields into flags and
needs real types.
"""

from dataclasses import dataclass, field
from typing import Any

from fairseq.dataclass import FairseqDataclass

from ..bottleneck import BottleneckConfig


@dataclass
class VQVAEConfig(FairseqDataclass, BottleneckConfig):
    """The autoencoder's flags; those of the bottleneck begin with `--vq-`."""

    conv_width: int = field(default=256, metadata={"help": "channels at the code grid"})
    outer_width: int = field(
        default=256, metadata={"help": "channels at half of the image's size"}
    )
    residual_width: int = field(
        default=256, metadata={"help": "channels inside the residual blocks"}
    )
    residual_blocks: int = field(
        default=2, metadata={"help": "residual blocks on either side of the codes"}
    )
    latent_width: int = field(
        default=256,
        metadata={"help": "width C of the vectors that are quantized"},
    )
    likelihood: str = field(
        default="mixture",
        metadata={
            "help": "distribution of the intensities: categorical (256 of them, each "
            "channel by itself) or mixture (of discretised logistics; green knows red, "
            "and blue knows both, as in PixelCNN++)"
        },
    )
    mixtures: int = field(
        default=10, metadata={"help": "logistics of a mixture likelihood"}
    )
    image_height: int = field(
        default=0, metadata={"help": "height of an image; 0 takes that of the data"}
    )
    image_width: int = field(
        default=0, metadata={"help": "width of an image; 0 takes that of the data"}
    )


PRESETS: dict[str, dict[str, Any]] = {
    # van den Oord et al. 2017, section 4: all hidden units are 256.
    "cifar10": {"vq_num_codes": 512},
    "cifar10_tiny": {
        "conv_width": 64,
        "outer_width": 32,
        "residual_width": 32,
        "latent_width": 64,
        "mixtures": 4,
        "vq_num_codes": 256,
        # A short training needs a short window of the moving averages.
        "vq_decay": 0.99,
    },
}
