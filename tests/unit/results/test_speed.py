"""Times compare under equal conditions alone."""

from typing import Any

import pytest

from vq_nat.results.speed import alike, same_conditions, times_as_fast


def row(
    ms: float, operators: float | None = 9.0, products: float = 6.0, **rest: Any
) -> dict[str, Any]:
    """Returns what a row says of its time."""
    state = {"products_ms": products, "operators_ms": operators}
    known = {"calibration": state if operators else None, "latency_ms": {"median": ms}}
    machine = {"device": "cpu", "processor": "a processor", "threads": 1}
    return {"system": f"of {ms} ms", **machine, **known, **rest}


@pytest.mark.parametrize(
    ("changed", "compares"),
    [
        ({}, True),
        ({"operators": 9.8}, True),
        ({"operators": 10.0}, False),
        ({"operators": 8.1}, False),
        ({"products": 6.7}, False),
        ({"operators": None}, False),
        ({"processor": "another"}, False),
        ({"threads": 2}, False),
        ({"device": "cuda"}, False),
    ],
)
def test_rows_compare_if_their_machines_did_fixed_work_as_fast(
    changed: dict[str, Any], compares: bool
) -> None:
    base, other = row(40.0), row(10.0, **changed)
    assert same_conditions(base, other) == same_conditions(other, base) == compares
    assert times_as_fast(base, other) == (4.0 if compares else None)


def test_what_was_timed_in_turn_compares_on_any_machine() -> None:
    base = row(40.0)
    other = row(10.0, 20.0, in_turn={"of 40.0 ms": {"times": 2.5}})
    assert times_as_fast(base, other) == 2.5
    assert times_as_fast(other, base) == pytest.approx(0.4)
    near = row(10.0, in_turn={"of 40.0 ms": {"times": 2.5}})
    assert times_as_fast(base, near) == 2.5  # not the quotient of two sessions


def test_without_a_calibration_a_row_compares_with_itself_alone() -> None:
    lonely = row(40.0, None)
    assert times_as_fast(lonely, lonely) == 1.0
    assert not same_conditions(lonely, row(40.0, None))


def test_most_rows_that_are_all_alike() -> None:
    states = [12.0, 9.0, 9.5, 9.9, 10.4, 10.6, None]
    rows = [row(1.0, state) for state in states]
    chosen = alike(rows)
    assert chosen == [1, 2, 3] or chosen == [2, 3, 4]
    assert all(same_conditions(rows[a], rows[b]) for a in chosen for b in chosen)
    assert alike([]) == [] and alike([row(1.0, None)]) == [0]
