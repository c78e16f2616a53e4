"""Owns how classes are found by name, also those of other packages.

A class is registered by a decorator, which its module runs when it is imported, or by
an entry point of an installed package, which is loaded when its name is asked for:

    [project.entry-points."vq_nat.bottlenecks"]
    mine = "my_package.my_module:MyBottleneck"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

C = TypeVar("C", bound=type)


class Registry(Generic[C]):
    """Classes by name.

    Args:
        option: name of the option by which one of them is chosen.
        group: the entry points that belong to it.
    """

    def __init__(self, option: str, group: str) -> None:
        self.option, self.group = option, group
        self._classes: dict[str, C] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Returns a decorator that registers a class.

        Args:
            name: what the option calls it.

        Raises:
            ValueError: if another class has the name (by the decorator).
        """

        def add(cls: C) -> C:
            known = self._classes.setdefault(name, cls)
            if _path(known) != _path(cls):
                raise ValueError(
                    f"`{self.option}` {name!r} must be the name of one class, but is "
                    f"that of {_path(known)} already."
                )
            self._classes[name] = cls  # the same one may be imported again
            return cls

        return add

    def get(self, name: str) -> C:
        """Returns the class of a name; entry points come after registered classes.

        Raises:
            ValueError: if no class has it, or several packages offer one.
        """
        if name not in self._classes:
            points = {
                point.value: point for point in self._points() if point.name == name
            }
            if len(points) != 1:
                raise ValueError(self._refusal(name, sorted(points)))
            (point,) = points.values()
            self._classes.setdefault(name, point.load())
        return self._classes[name]

    def names(self) -> list[str]:
        """Lists the names there are, in order."""
        return sorted({*self._classes, *(point.name for point in self._points())})

    def _points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))

    def _refusal(self, name: str, offers: list[str]) -> str:
        if offers:
            return (
                f"`{self.option}` {name!r} must be offered by one package, but is by "
                f"{' and '.join(offers)}."
            )
        listed = ", ".join(repr(known) for known in self.names())
        return f"`{self.option}` must be one of {listed}, but is {name!r} instead."


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
