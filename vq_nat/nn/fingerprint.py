"""Owns how weights are named: two files that hold the same ones have the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 of tensors: their names, types, shapes and values.

    A training that is done again gives the same weights on the same kind of machine,
    but another file: it holds the time that the training took.
    """
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        flat = value.detach().cpu().contiguous()
        digest.update(f"{name} {flat.dtype} {tuple(flat.shape)}\n".encode())
        digest.update(flat.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
