"""Owns how pictures are drawn without a screen."""

from __future__ import annotations

import logging
from typing import Any


def pyplot() -> Any:
    """Returns matplotlib's, for files instead of screens.

    Raises:
        ImportError: without matplotlib.
    """
    import matplotlib

    logging.getLogger("matplotlib").setLevel(
        logging.WARNING
    )  # importing fairseq asks for more

    matplotlib.use("Agg")
    from matplotlib import pyplot as module

    return module


def plain_ticks(axis: Any) -> None:
    """Writes 0.5 and 20 at a logarithmic axis, and not powers of ten.

    Args:
        axis: matplotlib's, `.xaxis` or `.yaxis` of a plot.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
