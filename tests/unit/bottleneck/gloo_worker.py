"""One worker of `test_workers.py`: python gloo_worker.py RANK WORLD FOLDER.

Runs every scenario on its share of the batches and saves where the codebooks end. With
a WORLD of 1 it takes all shares at once.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from vq_nat.bottleneck import Bottleneck, BottleneckConfig, build_bottleneck
from vq_nat.bottleneck.workers import gather_rows

WIDTH = 8
COMMON: dict[str, Any] = {"vq_num_codes": 6, "vq_slices": 2, "vq_decay": 0.9}
LONG = {"hard": 50, "empty worker": 50, "exact": 50}  # updates; the others do 10
# Options, and how many rows of each update the first worker takes out of 12.
SCENARIOS: dict[str, tuple[dict[str, Any], int]] = {
    "hard": ({"vq_assign": "hard"}, 5),
    "empty worker": ({"vq_assign": "hard"}, 12),
    "dummy batch": ({"vq_assign": "hard"}, 12),
    "relative": (
        {"vq_num_samples": 0, "vq_temperature_scale": "relative"},
        12,  # before the first update the scale is each worker's own
    ),
    "exact": ({"vq_num_samples": 0}, 5),
    "cosine": ({"vq_assign": "hard", "vq_metric": "cosine", "vq_code_dim": 3}, 5),
    "residual": ({"vq_assign": "hard", "vq_slicing": "residual"}, 5),
    "residual, data": (
        {"vq_slicing": "residual", "vq_init": "data", "vq_restart_after": 2},
        7,
    ),
    "restarts": ({"vq_assign": "hard", "vq_restart_after": 1, "vq_num_codes": 64}, 7),
    "data": ({"vq_init": "data", "vq_warmup_updates": 2, "vq_restart_after": 2}, 7),
    "empty worker, data": ({"vq_init": "data", "vq_restart_after": 2}, 12),
}


def share(rows: Tensor, first: int, rank: int, world: int) -> Tensor:
    """This worker's rows of an update; the others divide what the first leaves."""
    if world == 1:
        return rows
    others = rows[first:].tensor_split(world - 1)
    return rows[:first] if rank == 0 else others[rank - 1]


def step(bottleneck: Bottleneck, name: str, rows: Tensor) -> None:
    """One update; a worker without rows does what a training loop might do then."""
    if len(rows) > 0:
        bottleneck(rows.unsqueeze(0))
    elif name == "dummy batch":
        with bottleneck.frozen():
            bottleneck(torch.randn(1, 4, WIDTH))
    else:
        bottleneck(torch.randn(1, 4, WIDTH), torch.zeros(1, 4, dtype=torch.bool))
    bottleneck.m_step()


def run(name: str, rank: int, world: int) -> dict[str, Tensor]:
    """Trains a bottleneck for a few updates; returns its end and the last vectors."""
    options, first = SCENARIOS[name]
    torch.manual_seed(1)
    bottleneck = build_bottleneck(BottleneckConfig(**{**COMMON, **options}), WIDTH)
    batches = torch.randn(LONG.get(name, 10), 12, WIDTH)
    torch.manual_seed(rank)  # workers need not draw alike
    for rows in batches:
        step(bottleneck, name, share(rows, first, rank, world))
    return {**bottleneck.state_dict(), "last vectors": batches[-1]}


def main() -> None:
    """Joins the group, runs all scenarios and saves their ends."""
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    if world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder / 'meeting'}",
            rank=rank,
            world_size=world,
        )
    ends = {name: run(name, rank, world) for name in SCENARIOS}
    ends["gathered"] = {"rows": gather_rows(torch.full((rank + 1, 2), float(rank)))}
    torch.save(ends, folder / f"{rank}_of_{world}.pt")
    if world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
