"""The fairseq task of the image autoencoder: data, training, and what it shows."""

import logging
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask, register_task
from omegaconf import II
from torch import Tensor

from ..autocasts import AUTOCAST_HELP
from ..fairseq_side.compat import autocast, tensorboard_writer
from ..fairseq_side.training import LatentTraining
from .data import ImageSet, Size, open_images
from .dataset import ImageDataset
from .grids import side_by_side

logger = logging.getLogger(__name__)

SHOWN = 16  # images of a validation that are shown beside their reconstructions


@dataclass
class ImageVQVAEConfig(FairseqDataclass):
    """The task's flags."""

    data: str = field(
        default="???",
        metadata={
            "help": "folder of images: cifar-10-batches-bin, Parquet files, SVHN's "
            ".mat files, or image files of one size"
        },
    )
    flip: bool = field(
        default=False,
        metadata={"help": "mirror half of the training images from left to right"},
    )
    autocast: str = field(default="none", metadata={"help": AUTOCAST_HELP})
    seed: int = II("common.seed")
    tensorboard_logdir: Optional[str] = II("common.tensorboard_logdir")
    train_subset: str = II("dataset.train_subset")


@register_task("image_vqvae", dataclass=ImageVQVAEConfig)
class ImageVQVAETask(LatentTraining, FairseqTask):
    """Trains an autoencoder on images; there is no dictionary."""

    cfg: ImageVQVAEConfig
    size: Optional[Size] = None  # of the model's images, once there is a model

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds the model for the size of the images, which the options then hold."""
        if not cfg.image_height or not cfg.image_width:
            images = self.images(self.cfg.train_subset)
            _, cfg.image_height, cfg.image_width = images.shape
        self.size = (cfg.image_height, cfg.image_width)
        return super().build_model(cfg, from_checkpoint)

    def load_dataset(self, split: str, combine: bool = False, **options: Any) -> None:
        """Reads a split: train, valid or test."""
        images, trains = self.images(split), split == self.cfg.train_subset
        logger.info("%s: %d images of shape %s", images.name, len(images), images.shape)
        self.datasets[split] = ImageDataset(
            images,
            shuffle=trains,
            flip=trains and self.cfg.flip,
            seed=self.cfg.seed,
        )

    def images(self, split: str) -> ImageSet:
        """Opens the images of a split, which must be of the model's size."""
        return open_images(self.cfg.data, split, self.size)

    def valid_step(
        self, sample: dict[str, Any], model: torch.nn.Module, criterion: Any
    ) -> Any:
        """Loss of a validation batch; in a training the first is shown in TensorBoard.

        fairseq-validate has the training's options, too, but not its images.
        """
        result = super().valid_step(sample, model, criterion)
        trains = self.cfg.train_subset in self.datasets
        if trains and self.cfg.tensorboard_logdir and 0 in sample["id"][:1]:
            self.show(sample["net_input"]["images"][:SHOWN], model)
        return result

    def show(self, images: Tensor, model: Any) -> None:
        """Writes images beside their reconstructions. Shape: (B, 3, H, W)."""
        writer = tensorboard_writer(str(self.cfg.tensorboard_logdir), "images")
        if writer is None:
            return
        with autocast(self.cfg.autocast, images.device):
            pictures = side_by_side(images, model.reconstruct(images))
        writer.add_image("reconstructions", pictures, model.bottleneck.num_updates)
        writer.flush()
