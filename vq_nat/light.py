"""Loads a module without the door of its room, which would load torch and fairseq.

Importing `vq_nat.translation` registers it with fairseq, which takes seconds. Some of
its modules import nothing but the standard library: the command line and the engine
read them before it is known whether a model is to be loaded by torch at all.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

LIGHT = ("translation.decoding.options",)


def light_module(name: str) -> ModuleType:
    """Returns a module of the package; the same one that an import gives.

    Args:
        name: one of `LIGHT`, without the package's name.

    Raises:
        ValueError: for another name.
    """
    if name not in LIGHT:
        raise ValueError(
            f"`name` must be one of {', '.join(LIGHT)}, but is {name!r} instead."
        )
    full = f"{__package__}.{name}"
    if full not in sys.modules:
        path = Path(__file__).parent.joinpath(*name.split(".")).with_suffix(".py")
        spec = spec_from_file_location(full, path)
        assert spec is not None and spec.loader is not None
        sys.modules[full] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[full]  # as an import does: the next one shall fail, too
            raise
    return sys.modules[full]
