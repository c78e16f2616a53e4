"""Owns the family's other members in the comparison on images: their labels and flags.

All have as many bits a code as the table's K codes have; those of two slices have the
root of K codes in each. Weights and temperatures are those of their papers.
"""

from __future__ import annotations

import math
from typing import Any

from examples.lib.bottleneck_members import levels_of

LABELS = {
    "simvq": "SimVQ",
    "rotation": "hard EM, rotation trick",
    "diveq": "DiVeQ",
    "grouped": "hard EM, grouped (2 slices)",
    "residual": "hard EM, residual (2 slices)",
    "fsq": "FSQ",
    "ifsq": "iFSQ",
    "lfq": "LFQ",
    "bsq": "BSQ",
    "semhash": "semantic hashing",
    "gumbel": "Gumbel-softmax",
}
HARD = {"vq-assign": "hard"}


def flags_of(name: str, *, codes: int, updates: int, vectors: float) -> dict[str, Any]:
    """Returns fairseq's flags of a member.

    Args:
        name: of the member.
        codes: K.
        updates: of the training.
        vectors: of the bottleneck, per intensity of an image.
    """
    bits = round(math.log2(codes))
    halves = {**HARD, "vq-slices": 2, "vq-num-codes": 2 ** (bits // 2)}
    levels = {"vq-kind": "fsq", "vq-levels": levels_of(codes)}
    signs = {"vq-kind": "lfq", "vq-temperature": 0.01}
    flags: dict[str, dict[str, Any]] = {
        "simvq": {**HARD, "vq-update": "linear"},
        "rotation": {**HARD, "vq-gradient": "rotation"},
        "diveq": {
            **HARD,
            "vq-gradient": "diveq",
            "vq-update": "gradient",
            "vq-commitment": 0,
        },
        "grouped": halves,
        "residual": {**halves, "vq-slicing": "residual"},
        "fsq": levels,
        "ifsq": {**levels, "vq-squash": "sigmoid"},
        "lfq": signs,
        "bsq": {**signs, "vq-metric": "cosine"},
        "semhash": {"vq-kind": "semhash"},
        "gumbel": {
            "vq-kind": "gumbel",
            "vq-temperature": 1.0,
            "vq-temperature-end": 0.5,
            "vq-schedule": "exponential",
            "vq-schedule-updates": max(1, updates // 2),
            "vq-kl-weight": round(vectors, 4),
        },
    }
    return flags[name]


def of_all(codes: int) -> set[str]:
    """Returns the flags by which members may differ from the other settings."""
    flags = [flags_of(name, codes=codes, updates=1, vectors=1.0) for name in LABELS]
    return {flag for one in flags for flag in one}
