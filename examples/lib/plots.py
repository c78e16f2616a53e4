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
