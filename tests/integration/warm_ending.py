"""The end of a process that a warm one has forked, quick and otherwise as Python's."""

import contextlib
import gc
import io
import os
from collections.abc import Callable

FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


class Ending:
    """Ends a child as Python ends, but for what was imported: it is not taken apart.

    That would take half a second and a copy of all that the parent has.
    """

    def __init__(self) -> None:
        self.status: int | None = None  # None: not known, so Python itself shall end

    def run(self, command: Callable[[], object]) -> None:
        """Runs the command, and remembers with which status it ends."""
        try:
            command()
            self.status = 0
        except SystemExit as done:
            code = 0 if done.code is None else done.code
            self.status = code & 0xFF if isinstance(code, int) else 1
            raise
        except Exception:
            self.status = 1
            raise

    def __call__(self) -> None:
        """Ends the process, after all that others have registered."""
        if self.status is None:
            return
        for one in gc.get_objects():
            if type(one) in FILES:  # which perhaps nobody has closed
                with contextlib.suppress(OSError, ValueError):
                    one.flush()
        os._exit(self.status)
