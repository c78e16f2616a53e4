"""Owns the talk between data-parallel workers; alone, each function does nothing.

All of these are collective: every worker calls them, in the same order.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def num_workers() -> int:
    """Number of workers that train together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def is_first_worker() -> bool:
    """Whether this worker is the one that speaks for all."""
    return num_workers() == 1 or distributed.get_rank() == 0


def all_reduce_(tensors: Sequence[Tensor]) -> None:
    """Sums tensors of one type over workers, in place, by a single all-reduce."""
    if num_workers() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts):
        tensor.copy_(part.view_as(tensor))


def broadcast_(tensors: Sequence[Tensor]) -> None:
    """Gives all workers the values of the first one, in place."""
    if num_workers() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)


def gather_rows(rows: Tensor) -> Tensor:
    """Joins all workers' rows, however many each has; the same result on each of them.

    Shape:
        (N, C) → (sum of all N, C).
    """
    if num_workers() == 1:
        return rows
    own_size = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.zeros_like(own_size) for _ in range(num_workers())]
    distributed.all_gather(sizes, own_size)
    longest = int(torch.cat(sizes).max())
    padded = rows.new_zeros(longest, rows.shape[1])
    padded[: len(rows)] = rows
    parts = [torch.zeros_like(padded) for _ in sizes]
    distributed.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes)])
