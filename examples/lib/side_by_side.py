"""Owns doing several things at once, each of which mostly waits for its own command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

Task = Callable[[], None]


def side_by_side(tasks: Iterable[Task], jobs: int) -> None:
    """Runs tasks, so many at once, begun in their order.

    With one job nothing is special. With more, a task that raises keeps those from
    beginning that have not begun; its error is raised when the others have ended, with
    those of the others as notes. The threads are daemons: an interrupted process ends
    at once, and its commands with it.

    Args:
        tasks: what to do; each returns when it is done.
        jobs: how many at a time.
    """
    if jobs == 1:
        for task in tasks:
            task()
        return
    waiting, lock = iter(list(tasks)), threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        while not errors:
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            try:
                task()
            except BaseException as error:  # SystemExit would end the thread only
                errors.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for error in errors[1:]:
        errors[0].add_note(f"Besides: {error}")
    if errors:
        raise errors[0]
