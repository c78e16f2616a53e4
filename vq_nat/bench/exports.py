"""Owns the number formats of the exports that are measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def number_format_of(options: dict[str, Any], known: Sequence[str]) -> str:
    """Takes the number format out of a system's options.

    Raises:
        ValueError: if there is no such for its engine.
    """
    name = options.pop("compute_type", "float32")
    if name not in known:
        raise ValueError(
            f"`compute_type` must be one of {', '.join(known)}, but is {name!r} "
            "instead."
        )
    return name
