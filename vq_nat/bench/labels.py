"""Owns where the names of a plot's points are written: near them, covering nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


def place_names(axis: Any) -> None:
    """Moves the name of every point to the nearest place where it covers nothing.

    Call it when the figure has its final size.
    """
    axis.figure.canvas.draw()
    names = list(axis.texts)
    points = [axis.transData.transform(name.xy) for name in names]
    taken = [Box.around(x, y, 4, 4) for x, y in points]
    inside = Box(*axis.bbox.extents)
    scale = axis.figure.dpi / 72  # pixels of a point
    for name, (x, y) in zip(names, points, strict=True):
        extent = name.get_window_extent()
        boxes = [
            (move, Box.around(x + move[0] * scale, y + move[1] * scale, *size))
            for size in [(extent.width / 2, extent.height / 2)]
            for move in moves(extent.width / scale, extent.height / scale)
        ]
        move, box = min(boxes, key=lambda known: known[1].harm(taken, inside))
        taken.append(box)
        name.set(ha="center", va="center", position=move)
        if abs(move[1]) > extent.height / scale:  # too far to tell whose it is
            axis.annotate(
                "",
                name.xy,
                xytext=move,
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": "grey", "linewidth": 0.5},
            )


class Box(NamedTuple):
    """A rectangle on the page, in pixels."""

    left: float
    low: float
    right: float
    high: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> Box:
        """Returns the box around a point, with half its width and height."""
        return cls(x - width, y - height, x + width, y + height)

    def harm(self, others: Sequence[Box], frame: Box) -> float:
        """Returns how much of others it covers, and how much leaves the frame."""
        area = (self.right - self.left) * (self.high - self.low)
        outside = area - self.shares(frame)
        return outside + sum(self.shares(other) for other in others)

    def shares(self, other: Box) -> float:
        """Returns the area that it has in common with another."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.high, other.high) - max(self.low, other.low)
        return max(0.0, width) * max(0.0, height)


def moves(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yields where the middle of a name may lie beside its point, the nearest first."""
    for row in range(6):
        for y in (row * height, -row * height) if row else (0.0,):
            for side in (1, -1):
                yield side * (width / 2 + 6), y
            if row:
                yield 0.0, y
