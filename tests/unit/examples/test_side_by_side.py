"""Several things at once: order, number, errors."""

import threading
import time
from functools import partial

import pytest

from examples.lib.side_by_side import side_by_side


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_task_is_done_once(jobs: int) -> None:
    done: list[int] = []
    side_by_side([partial(done.append, n) for n in range(20)], jobs)
    assert sorted(done) == list(range(20))
    assert jobs > 1 or done == list(range(20))


def test_so_many_are_done_at_a_time() -> None:
    """Three wait for each other, which fewer could not; the fourth waits for one."""
    three, running, most = threading.Barrier(3, timeout=20), [0], [0]
    lock = threading.Lock()

    def task(meets: bool) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if meets:
            three.wait()
        with lock:
            running[0] -= 1

    side_by_side([partial(task, True)] * 3 + [partial(task, False)], 3)
    assert most == [3]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_and_ends_the_rest(jobs: int) -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("no luck")

    tasks = [fail, *(partial(done.append, n) for n in range(100))]
    with pytest.raises(ValueError, match="no luck"):
        side_by_side(tasks, jobs)
    assert len(done) < 100


def test_those_that_have_begun_end_before_the_error_is_raised() -> None:
    begun, done = threading.Event(), []

    def slow() -> None:
        begun.set()
        time.sleep(0.2)
        done.append(1)

    def fail() -> None:
        assert begun.wait(20)
        raise SystemExit("no luck")

    with pytest.raises(SystemExit, match="no luck"):
        side_by_side([slow, fail], 2)
    assert done == [1]


def test_all_errors_are_told() -> None:
    both = threading.Barrier(2, timeout=20)

    def fail(text: str) -> None:
        both.wait()
        raise ValueError(text)

    with pytest.raises(ValueError) as caught:
        side_by_side([partial(fail, "one"), partial(fail, "other")], 2)
    told = {str(caught.value), *caught.value.__notes__}
    assert told in ({"one", "Besides: other"}, {"other", "Besides: one"})
