"""Owns the hashes of checkpoints' weights, each read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def weights_of(path: Path) -> str:
    """Returns the SHA-256 of a checkpoint's weights."""
    status = path.stat()
    return _weights_of(path, modified=status.st_mtime_ns, size=status.st_size)


@cache
def _weights_of(path: Path, *, modified: int, size: int) -> str:
    from vq_nat.fairseq_side.compat import load_weights  # these bring fairseq
    from vq_nat.nn.fingerprint import hash_weights

    return hash_weights(load_weights(path))
