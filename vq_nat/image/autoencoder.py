"""The model: pixels → vectors → codes → vectors → distributions of pixels.

The autoencoder of van den Oord et al. 2017, "Neural Discrete Representation Learning",
https://arxiv.org/abs/1711.00937, section 4.1. Letters: B batch, H and W the image's
height and width, h = H/4 and w = W/4 the grid's, L = h · w codes in raster order, C
width of the quantized vectors, G slices, P parameters of a pixel.
"""

from argparse import Namespace
from typing import Any

import torch
import torch.nn.functional as F
from fairseq.models import (
    BaseFairseqModel,
    register_model,
    register_model_architecture,
)
from torch import Tensor, nn

from ..bottleneck import build_bottleneck
from ..fairseq_side.compat import OneArchitecture, in_a_sentence
from .config import PRESETS, VQVAEConfig
from .flow import ImageOutput
from .likelihood import build_likelihood, scaled

REDUCTION = 4  # of height and width: two halvings


class ResidualBlock(nn.Module):
    """x + a 1×1 and before it a 3×3 convolution, a ReLU before each of them."""

    def __init__(self, width: int, *, hidden: int) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(width, hidden, 3, padding=1)
        self.conv1 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, C, h, w), kept."""
        return x + self.conv1(F.relu(self.conv3(F.relu(x))))


class ImageEncoder(nn.Sequential):
    """Two strided 4×4 convolutions, residual blocks, a projection to C."""

    def __init__(self, cfg: VQVAEConfig) -> None:
        super().__init__(
            nn.Conv2d(3, cfg.outer_width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(cfg.outer_width, cfg.conv_width, 4, stride=2, padding=1),
            *residual_blocks(cfg),
            nn.ReLU(),
            nn.Conv2d(cfg.conv_width, cfg.latent_width, 1),
        )


class ImageDecoder(nn.Sequential):
    """The encoder's mirror image: C, residual blocks, two transposed convolutions.

    Args:
        cfg: options.
        bias: where the outputs start. Shape: (P,).
    """

    def __init__(self, cfg: VQVAEConfig, bias: Tensor) -> None:
        last = nn.ConvTranspose2d(cfg.outer_width, len(bias), 4, stride=2, padding=1)
        last.bias = nn.Parameter(bias.clone())
        super().__init__(
            nn.Conv2d(cfg.latent_width, cfg.conv_width, 1),
            *residual_blocks(cfg),
            nn.ReLU(),
            nn.ConvTranspose2d(cfg.conv_width, cfg.outer_width, 4, stride=2, padding=1),
            nn.ReLU(),
            last,
        )


def residual_blocks(cfg: VQVAEConfig) -> list[ResidualBlock]:
    """Returns the blocks at the grid's size."""
    return [
        ResidualBlock(cfg.conv_width, hidden=cfg.residual_width)
        for _ in range(cfg.residual_blocks)
    ]


@register_model("vqvae", dataclass=VQVAEConfig)
class VQVAE(OneArchitecture, BaseFairseqModel):
    """Encoder, bottleneck, decoder and likelihood.

    What works on codes speaks through these methods:

        codes = model.codes(images)
        params = model.decode(model.lookup(codes))
        images = model.likelihood.mode(params)

    Args:
        cfg: options, with the size of an image.

    Raises:
        ValueError: if an option is out of its range.
    """

    criterion_name = "bits_per_dim"  # what it trains with

    def __init__(self, cfg: VQVAEConfig) -> None:
        super().__init__()
        check(cfg)
        self.cfg = cfg
        self.likelihood = build_likelihood(cfg.likelihood, cfg.mixtures)
        self.encoder = ImageEncoder(cfg)
        self.bottleneck = build_bottleneck(cfg, cfg.latent_width)
        self.decoder = ImageDecoder(cfg, self.likelihood.initial_bias())

    @classmethod
    def build_model(cls, cfg: Any, task: Any) -> "VQVAE":
        """Builds a model for images of the task's size.

        Raises:
            Refused: for wrong options.
        """
        # fairseq hands over a Namespace or omegaconf's copy.
        with in_a_sentence():
            return cls(VQVAEConfig.from_namespace(cfg))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height H and width W of an image."""
        return self.cfg.image_height, self.cfg.image_width

    @property
    def grid(self) -> tuple[int, int]:
        """Height h and width w of the codes' grid."""
        return self.cfg.image_height // REDUCTION, self.cfg.image_width // REDUCTION

    @property
    def num_codes(self) -> int:
        """Codes of a slice, K."""
        return self.bottleneck.num_codes

    @property
    def num_slices(self) -> int:
        """Slices of product quantization, G."""
        return self.bottleneck.num_slices

    @property
    def has_codes(self) -> bool:
        """Whether images become codes at all; with the identity they do not."""
        return self.num_codes > 1

    def encode(self, images: Tensor) -> Tensor:
        """Computes z_e. Shape: (B, 3, H, W) uint8 → (B, L, C).

        Raises:
            ValueError: if the images are of another size.
        """
        size = (3, *self.image_size)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != size:
            raise ValueError(
                f"`images` must be uint8 of shape (B, {size[0]}, {size[1]}, "
                f"{size[2]}), but are {images.dtype} of shape "
                f"{tuple(images.shape)} instead."
            )
        # Convolutions are faster when the channels of a pixel lie side by side. Their
        # weights stay as they are: fairseq flattens gradients by `view`.
        pixels = scaled(images).contiguous(memory_format=torch.channels_last)
        return self.encoder(pixels).flatten(2).transpose(1, 2)

    def codes(self, images: Tensor) -> Tensor:
        """Turns images into codes. Shape: (B, 3, H, W) uint8 → (B, L, G) int64."""
        return self.bottleneck(self.encode(images)).codes

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into vectors, float32. Shape: (B, L, G) → (B, L, C)."""
        return self.bottleneck.lookup(codes)

    def decode(self, quantized: Tensor) -> Tensor:
        """Computes the likelihood's parameters. Shape: (B, L, C) → (B, P, H, W)."""
        grid = quantized.transpose(1, 2).unflatten(2, self.grid)
        return self.decoder(grid)

    def set_num_updates(self, num_updates: int) -> None:
        """Tells the bottleneck alone; fairseq would ask every layer, every update."""
        self.bottleneck.set_num_updates(num_updates)

    def forward(self, images: Tensor) -> ImageOutput:
        """Computes what the losses need. Shape: (B, 3, H, W) uint8."""
        bottleneck = self.bottleneck(self.encode(images))
        params = self.decode(bottleneck.quantized)
        with torch.autocast(params.device.type, enabled=False):
            log_prob = self.likelihood.log_prob(images, params)
        return ImageOutput(bottleneck, params, log_prob)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Returns the likely images behind the codes of images.

        Shape:
            (B, 3, H, W) uint8, kept.
        """
        params = self.decode(self.bottleneck(self.encode(images)).quantized)
        return self.likelihood.mode(params)


def check(cfg: VQVAEConfig) -> None:
    """Refuses sizes that cannot work.

    Raises:
        ValueError: naming the option.
    """
    for name in ("conv_width", "outer_width", "residual_width", "latent_width"):
        if getattr(cfg, name) < 1:
            raise ValueError(
                f"`{name}` must be at least 1, but is {getattr(cfg, name)} instead."
            )
    if cfg.residual_blocks < 0:
        raise ValueError(
            "`residual_blocks` must be at least 0, "
            f"but is {cfg.residual_blocks} instead."
        )
    for name in ("image_height", "image_width"):
        value = getattr(cfg, name)
        if value < REDUCTION or value % REDUCTION:
            raise ValueError(
                f"`{name}` must be a positive multiple of {REDUCTION}, "
                f"but is {value} instead."
            )


def _register(name: str, preset: dict[str, Any]) -> None:
    def architecture(args: Namespace) -> None:
        defaults = VQVAEConfig()
        for field in VQVAEConfig.__dataclass_fields__:
            if not field.startswith("_"):
                value = preset.get(field, getattr(defaults, field))
                setattr(args, field, getattr(args, field, value))

    register_model_architecture("vqvae", f"vqvae_{name}")(architecture)


for _name, _preset in PRESETS.items():
    _register(_name, _preset)
