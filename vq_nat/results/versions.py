"""Owns the versions that a result depends on, without importing what has them."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence

UNKNOWN = "unknown"


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of Python and of those packages that are installed."""
    known = {name: distribution_version(name) for name in packages}
    versions = {name: version for name, version in known.items() if version != UNKNOWN}
    return {"python": platform.python_version(), **versions}


def distribution_version(*names: str) -> str:
    """Returns the version of the first of these distributions that is installed."""
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return UNKNOWN
