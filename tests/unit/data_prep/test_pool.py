"""Processes side by side share the threads of the machine."""

import os

import pytest

from data_prep.lib.pool import shared_threads


@pytest.mark.parametrize("said", [None, "6"])
@pytest.mark.parametrize("workers", [1, 2, 100])
def test_each_worker_has_its_share_of_the_threads(
    workers: int, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that are said to be free, or of all; never less than one."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    with shared_threads(workers):
        share = int(os.environ["OMP_NUM_THREADS"])
    assert share == max(1, (int(said) if said else 8) // workers)
    assert os.environ.get("OMP_NUM_THREADS") == said
