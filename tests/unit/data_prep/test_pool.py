"""Processes side by side share the threads of the machine."""

import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from data_prep.lib import pool
from data_prep.lib.pool import run_workers, shared_threads


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


class Bar:
    """A progress bar that went on from two sentences."""

    initial = n = 2

    def update(self, more: int) -> None:
        self.n += more


def test_the_bar_ends_where_the_sentences_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the workers have done together, behind what was done before."""

    def work(_: Any, device: str, chunks: Any, count: Any) -> None:
        for sentences in chunks:
            count(sentences)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(pool, "start_worker", lambda: None)
    monkeypatch.setattr(pool, "work", work)
    chunks, bar = [3, 5, 7, 1], Bar()
    job = SimpleNamespace(devices=["cpu", "cpu"])
    run_workers(job, chunks, 2, bar)  # type: ignore[arg-type]
    assert bar.n == 2 + sum(chunks)
