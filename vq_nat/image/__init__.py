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
pictures.py          images in rows
"""

from .autoencoder import VQVAE
from .config import VQVAEConfig
from .criterion import BitsPerDimCriterion
from .data import ImageSet, open_images
from .task import ImageVQVAETask

__all__ = [
    "VQVAE",
    "BitsPerDimCriterion",
    "ImageSet",
    "ImageVQVAETask",
    "VQVAEConfig",
    "open_images",
]
