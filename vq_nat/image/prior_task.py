"""The fairseq task that trains a prior on the codes of a frozen autoencoder."""

import logging
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask, register_task
from omegaconf import II

from ..autocasts import AUTOCAST_HELP
from ..fairseq_side.checkpoints import checkpoint_path
from ..fairseq_side.training import LatentTraining
from .checkpoints import code_grid, fingerprint, load_autoencoder
from .codes import CodeDataset, encode_images
from .data import open_images
from .prior import CodeGrid

logger = logging.getLogger(__name__)


@dataclass
class ImageCodesConfig(FairseqDataclass):
    """Where images and autoencoder are."""

    data: str = field(
        default="???", metadata={"help": "folder of images, as for `image_vqvae`"}
    )
    autoencoder: Optional[str] = field(
        default=None,
        metadata={"help": "checkpoint of the autoencoder whose codes are learned"},
    )
    autocast: str = field(default="none", metadata={"help": AUTOCAST_HELP})
    code_batch_size: int = field(
        default=256, metadata={"help": "images whose codes are computed at a time"}
    )
    train_subset: str = II("dataset.train_subset")
    cpu: bool = II("common.cpu")
    seed: int = II("common.seed")


@register_task("image_codes", dataclass=ImageCodesConfig)
class ImageCodesTask(LatentTraining, FairseqTask):
    """Codes of images, computed once when a split is loaded.

    What the codes are like, and the fingerprint of the autoencoder's weights, go into
    the checkpoint; so a prior is loaded without its autoencoder, but is never used with
    another.
    """

    cfg: ImageCodesConfig

    def __init__(self, cfg: ImageCodesConfig, **options: Any) -> None:
        super().__init__(cfg, **options)
        self.state.add_factory("source", self._describe)

    @cached_property
    def device(self) -> str:
        """Where codes are computed."""
        return "cuda" if torch.cuda.is_available() and not self.cfg.cpu else "cpu"

    @cached_property
    def autoencoder(self) -> Any:
        """The frozen autoencoder.

        Raises:
            ValueError: if none is named.
        """
        if not self.cfg.autoencoder:
            raise ValueError(
                "`--autoencoder` must be a checkpoint, but is missing instead."
            )
        return load_autoencoder(self.cfg.autoencoder, self.device)

    @property
    def grid(self) -> CodeGrid:
        """The shape of the codes."""
        return CodeGrid(*self.state.source["grid"])

    @property
    def fingerprint(self) -> str:
        """Of the autoencoder's weights."""
        return self.state.source["fingerprint"]

    @property
    def dimensions(self) -> int:
        """Numbers of an image, 3 · H · W."""
        return math.prod(self.state.source["image_shape"])

    def load_dataset(self, split: str, **options: Any) -> None:
        """Computes the codes of a split.

        Raises:
            ValueError: if the autoencoder is not that of the prior, or cannot read
                these images.
        """
        given = fingerprint(self.autoencoder)
        if given != self.fingerprint:
            raise ValueError(
                f"`--autoencoder` must be the one of the prior "
                f"({self.fingerprint[:12]}), but {self.cfg.autoencoder} is another "
                f"({given[:12]}) instead."
            )
        images = open_images(self.cfg.data, split, self.autoencoder.image_size)
        codes = encode_images(
            self.autoencoder, images, self.cfg.code_batch_size, self.device
        )
        logger.info("codes of %d images (%s)", len(codes), split)
        trains = split == self.cfg.train_subset
        self.datasets[split] = CodeDataset(codes, trains, self.cfg.seed)

    def _describe(self) -> dict[str, Any]:
        cfg, path = self.autoencoder.cfg, checkpoint_path(self.cfg.autoencoder or "")
        return {
            "grid": list(code_grid(self.autoencoder)),
            "fingerprint": fingerprint(self.autoencoder),
            "image_shape": [3, cfg.image_height, cfg.image_width],
            "autoencoder": str(Path(path).resolve()),
        }
