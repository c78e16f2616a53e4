"""Owns how a row names what it was made from."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from data_prep.lib.steps import sha256


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file, which is read again only if it has changed."""
    status = path.stat()
    return _hash_file(path, status.st_mtime_ns, status.st_size)


def hash_weights(path: Path) -> str:
    """Returns the SHA-256 of a checkpoint's tensors, by their names.

    A training that is done again gives the same weights on the same kind of machine,
    but another file: it holds the time that the training took.
    """
    status = path.stat()
    return _hash_weights(path, status.st_mtime_ns, status.st_size)


@cache
def _hash_file(path: Path, modified: int, size: int) -> str:
    return sha256(path)


@cache
def _hash_weights(path: Path, modified: int, size: int) -> str:
    import torch

    from vq_nat.fairseq_side.compat import load_weights  # brings fairseq

    found = hashlib.sha256()
    for name, tensor in sorted(load_weights(path).items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
