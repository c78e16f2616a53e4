"""Puts off what fairseq imports for two of its criterions, and nothing here calls.

scikit-learn and SciPy's statistics take a third of the time in which a process with
torch and fairseq starts. Their functions are imported when they are called instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

LATE = ("scipy.stats", "sklearn", "sklearn.metrics")


class LateModule(ModuleType):
    """Stands for a module while another one takes functions from it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Returns what imports the function of that name, and calls it."""
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **options: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*args, **options)

        return call


@contextmanager
def late_modules() -> Iterator[None]:
    """Has modules stand in for those that are not imported yet, as long as it lasts."""
    if any(name in sys.modules for name in LATE):
        yield
        return
    late = {name: LateModule(name) for name in LATE}
    late["sklearn"].metrics = late["sklearn.metrics"]  # type: ignore[attr-defined]
    sys.modules.update(late)
    try:
        yield
    finally:
        for name, module in late.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
