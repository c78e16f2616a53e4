"""Owns when the times of two rows compare: timed in turn, or on a machine in one state.

A machine's name does not say who else uses it. Every row carries the times of the same
small computations (its `calibration`); rows whose own differ by more than `TOLERANCE`
met different machines, whatever these are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .rows import at

Timed = Mapping[str, object]  # a row, of which each figure may be missing
MACHINE = ("device", "processor", "threads")
CALIBRATION = ("products_ms", "operators_ms")
TOLERANCE = 1.1  # of the slower calibration over the faster one
IN_TURN = "in_turn"  # of a row: by the name of the other system


def same_conditions(one: Timed, other: Timed) -> bool:
    """Tells whether the times of two rows compare; not if a machine's state is unknown.

    A row always compares with itself.
    """
    if one is other:
        return True
    if any(one.get(name) != other.get(name) for name in MACHINE):
        return False
    return all(are_near(one, other, name) for name in CALIBRATION)


def are_near(one: Timed, other: Timed, name: str) -> bool:
    """Tells whether a figure of both calibrations is known, and nearly the same."""
    known = [state_of(row, name) for row in (one, other)]
    values = [value for value in known if value is not None]
    return len(values) == len(known) and max(values) <= TOLERANCE * min(values)


def state_of(row: Timed, name: str) -> float | None:
    """Returns a figure of a row's calibration."""
    return at(row, "calibration", name)


def times_as_fast(base: Timed, row: Timed) -> float | None:
    """Returns how many times as fast as a base a row is, one sentence at a time.

    Args:
        base: a row.
        row: another one; if it was timed in turn with the base, that counts.

    Returns:
        None where it is not known.
    """
    for first, second, direction in ((base, row, 1), (row, base, -1)):
        times = at(second, IN_TURN, str(first.get("system")), "times")
        if times:
            return float(times) ** direction
    if not same_conditions(base, row):
        return None
    before, after = (at(one, "latency_ms", "median") for one in (base, row))
    return float(before) / float(after)


def alike(rows: Sequence[Timed]) -> list[int]:
    """Returns the places of most rows that all compare with each other.

    The state is judged from each row as the fastest of its group; of two groups of one
    size the first row's counts.
    """
    groups = [
        [
            place
            for place, row in enumerate(rows)
            if same_conditions(first, row) and not is_faster(row, first)
        ]
        for first in rows
    ]
    groups = [mutual(rows, group) for group in groups]
    return max(groups, key=len, default=[])


def is_faster(one: Timed, other: Timed) -> bool:
    """Tells whether a machine was faster at small operators than another."""
    own, known = (state_of(row, "operators_ms") for row in (one, other))
    return own is not None and known is not None and own < known


def mutual(rows: Sequence[Timed], group: Sequence[int]) -> list[int]:
    """Returns those of a group that compare with all that are taken before them."""
    taken: list[int] = []
    for place in group:
        if all(same_conditions(rows[place], rows[other]) for other in taken):
            taken.append(place)
    return taken
