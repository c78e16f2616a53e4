"""Pixels → codes → pixels. Importing this room registers it with fairseq.

data.py              images at a path, by their layout:
    cifar_binary.py  parquet.py  svhn.py  image_folder.py
    pixels.py        encoded images to pixels
dataset.py           batches for fairseq's trainer
autoencoder.py       the model: encoder, bottleneck, decoder
    config.py        its options and sizes
    likelihood.py    distributions over 256 intensities
    flow.py          what it hands to
criterion.py         the loss in bits per dimension
task.py              fairseq's side
grids.py             images in rows
prior.py             distributions over the grid of codes, uniform and learned
    prior_config.py  its options and sizes
codes.py             the codes of images, computed once
prior_criterion.py   its loss
prior_task.py        fairseq's side of it
sampling.py          prior → codes → pixels
checkpoints.py       models from files, and which belong together
"""

from ..fairseq_side import patches
from .autoencoder import VQVAE
from .config import VQVAEConfig
from .criterion import BitsPerDimCriterion
from .data import ImageSet, open_images
from .prior import CodePrior
from .prior_config import CodePriorConfig
from .prior_criterion import CodeNLLCriterion
from .prior_task import ImageCodesTask
from .task import ImageVQVAETask

patches.apply(at_import=True)

__all__ = [
    "VQVAE",
    "BitsPerDimCriterion",
    "CodeNLLCriterion",
    "CodePrior",
    "CodePriorConfig",
    "ImageCodesTask",
    "ImageSet",
    "ImageVQVAETask",
    "VQVAEConfig",
    "open_images",
]
