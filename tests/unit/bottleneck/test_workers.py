"""Two workers equal one on the joined batches, and each other to the last bit."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import vq_nat.bottleneck

WORKER = Path(__file__).with_name("gloo_worker.py")
ROOT = Path(vq_nat.bottleneck.__file__).parents[2]
_spec = importlib.util.spec_from_file_location("gloo_worker", WORKER)
assert _spec is not None and _spec.loader is not None
gloo_worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gloo_worker)

Ends = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ends, Ends, Ends]:
    """Where two workers end, and where a single one does."""
    folder = tmp_path_factory.mktemp("gloo")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, WORKER, str(rank), "2", folder], env=env)
        for rank in range(2)
    ]
    alone = {name: gloo_worker.run(name, 0, 1) for name in gloo_worker.SCENARIOS}
    try:
        assert [process.wait(timeout=300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    first, second = (torch.load(folder / f"{rank}_of_2.pt") for rank in range(2))
    return first, second, alone


@pytest.mark.parametrize("name", gloo_worker.SCENARIOS)
def test_workers_end_alike_to_the_last_bit(
    ends: tuple[Ends, Ends, Ends], name: str
) -> None:
    first, second, _ = ends
    assert first.keys() == second.keys()
    for key, value in first[name].items():
        assert torch.equal(value, second[name][key]), key


@pytest.mark.parametrize("name", ["hard", "empty worker", "dummy batch", "relative"])
def test_two_workers_equal_one_on_the_joined_batch(
    ends: tuple[Ends, Ends, Ends], name: str
) -> None:
    first, _, alone = ends
    for key, value in alone[name].items():
        torch.testing.assert_close(first[name][key], value, msg=key)


def test_an_empty_worker_changes_nothing_in_data_init(
    ends: tuple[Ends, Ends, Ends],
) -> None:
    first, _, alone = ends
    name = "empty worker, data"
    assert int(first[name]["_extra_state"][1]) == 1  # the codebook is initialized
    assert torch.equal(first[name]["_extra_state"], alone[name]["_extra_state"])
    torch.testing.assert_close(
        first[name]["table.ema_counts"].sum(), alone[name]["table.ema_counts"].sum()
    )


def test_restarts_take_vectors_of_both_workers(ends: tuple[Ends, Ends, Ends]) -> None:
    first, _, alone = ends
    # 64 codes and 12 vectors an update: whoever is idle is waiting for a vector.
    for end in (first, alone):
        assert (end["restarts"]["table.idle"] == 0).sum() >= 2 * 12


def test_workers_with_unlike_numbers_of_rows_join_them(
    ends: tuple[Ends, Ends, Ends],
) -> None:
    for end in ends[:2]:
        joined = end["gathered"]["rows"]
        assert joined.tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
