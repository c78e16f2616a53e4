"""Workers equal one on the joined batches, and each other to the last bit."""

import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from warm_python import warm_python

import vq_nat.bottleneck

WORKER = Path(__file__).with_name("gloo_worker.py")
ROOT = Path(vq_nat.bottleneck.__file__).parents[2]
_spec = importlib.util.spec_from_file_location("gloo_worker", WORKER)
assert _spec is not None and _spec.loader is not None
gloo_worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gloo_worker)

Ends = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def alone() -> Ends:
    """Where a single worker ends."""
    return {name: gloo_worker.run(name, 0, 1) for name in gloo_worker.SCENARIOS}


@pytest.fixture(scope="module", params=[2, 4])
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Ends]:
    """Where each of several workers ends."""
    world, folder = request.param, tmp_path_factory.mktemp("gloo")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [warm_python(), WORKER, str(rank), str(world), folder], env=env
        )
        for rank in range(world)
    ]
    try:
        assert [process.wait(timeout=300) for process in processes] == [0] * world
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{rank}_of_{world}.pt") for rank in range(world)]


@pytest.mark.parametrize("name", gloo_worker.SCENARIOS)
def test_workers_end_alike_to_the_last_bit(ends: list[Ends], name: str) -> None:
    first = ends[0][name]
    for other in ends[1:]:
        assert first.keys() == other[name].keys()
        for key, value in first.items():
            assert torch.equal(value, other[name][key]), key


EXACT = [
    "hard",
    "empty worker",
    "dummy batch",
    "relative",
    "exact",
    "cosine",
    "residual",
]


@pytest.mark.parametrize("name", EXACT)
def test_several_workers_equal_one_on_the_joined_batch(
    ends: list[Ends], alone: Ends, name: str
) -> None:
    for key, value in alone[name].items():
        torch.testing.assert_close(ends[0][name][key], value, msg=key)


def test_an_empty_worker_changes_nothing_in_data_init(
    ends: list[Ends], alone: Ends
) -> None:
    first, name = ends[0], "empty worker, data"
    assert int(first[name]["_extra_state"][1]) == 1  # the codebook is initialized
    assert torch.equal(first[name]["_extra_state"], alone[name]["_extra_state"])
    torch.testing.assert_close(
        first[name]["table.ema_counts"].sum(), alone[name]["table.ema_counts"].sum()
    )


def test_restarts_take_vectors_of_all_workers(ends: list[Ends], alone: Ends) -> None:
    # 64 codes and 12 vectors an update: each of these becomes a code.
    for end in (ends[0]["restarts"], alone["restarts"]):
        vectors = end["last vectors"].view(12, 2, 1, 4).transpose(0, 1)  # (G, N, 1, D)
        same = (vectors == end["table.codes"].unsqueeze(1)).all(-1)  # (G, N, K)
        assert same.any(-1).all()


def test_workers_with_unlike_numbers_of_rows_join_them(ends: list[Ends]) -> None:
    expected = [[float(rank)] * 2 for rank in range(len(ends)) for _ in range(rank + 1)]
    for end in ends:
        assert end["gathered"]["rows"].tolist() == expected
