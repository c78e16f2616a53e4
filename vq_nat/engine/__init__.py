"""Room 3: from ids to ids in C++, with no torch and no fairseq at run time.

The engine is compiled when the package is installed. Without a compiler the package
installs all the same, and `available` says no.
"""

import os
from importlib import import_module
from types import ModuleType

MISSING = (
    "The engine must be compiled, but is missing instead: install the package again "
    "with a C++17 compiler and pybind11 at hand."
)
MOST_THREADS = 1024  # that the engine starts; torch ends the process with many more


def available() -> bool:
    """Tells whether the engine was compiled for this Python."""
    try:
        engine()
    except ModuleNotFoundError:
        return False
    return True


def engine() -> ModuleType:
    """Returns the compiled module.

    Raises:
        ModuleNotFoundError: the engine was not compiled.
        ImportError: `VQ_NAT_ISA` names an instruction set that this machine lacks.
    """
    try:
        return import_module("vq_nat.engine._engine")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING) from error


def all_threads() -> int:
    """Returns how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # not a Linux
