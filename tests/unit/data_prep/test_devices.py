"""Where a teacher decodes: on each GPU, on each core, or where torchrun says."""

import os

import pytest
import torch

from data_prep import distill
from data_prep.lib import teachers


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of four cores and two GPUs, on which nothing was started side by side."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(teachers, "find_device", lambda name: name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(4))


@pytest.mark.parametrize(("workers", "count"), [(None, 4), (1, 1), (3, 3)])
def test_each_core_is_a_worker_or_as_many_as_are_asked_for(
    workers: int | None, count: int
) -> None:
    assert distill.choose_devices("cpu", workers) == ("cpu",) * count


@pytest.mark.parametrize(("workers", "count"), [(None, 2), (1, 1), (3, 2)])
def test_each_gpu_is_a_worker_and_has_no_other(workers: int | None, count: int) -> None:
    assert distill.choose_devices("cuda", workers) == ("cuda:0", "cuda:1")[:count]


def test_under_torchrun_a_process_is_one_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distill.choose_devices("cuda", None) == ("cuda:1",)
    assert distill.choose_devices("cpu", None) == ("cpu",)
