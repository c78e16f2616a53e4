"""A training keeps few compiled products; a user's own number stays."""

import os
import subprocess
import sys

import pytest
import torch

from vq_nat.fairseq_side import memory

# Products of ever new shapes in bfloat16, as batches make them, and what is held then.
PROGRAM = """
import ctypes, os, sys
import torch

capacity, *names = sys.argv[1:]
os.environ.update(dict.fromkeys(names, capacity))  # after torch, as a task does it

class Heap(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks used free keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

heap = ctypes.CDLL(None).mallinfo2
heap.restype = Heap
torch.set_num_threads(1)
layer = torch.nn.Linear(32, 32).bfloat16()
with torch.no_grad():
    layer(torch.zeros(1, 32).bfloat16())
    before = heap().used
    for rows in range(2, 402):
        layer(torch.zeros(rows, 32).bfloat16())
print(heap().used - before)
"""


def held(capacity: int) -> int:
    """Returns the bytes that 400 products of different shapes leave behind."""
    environment = {k: v for k, v in os.environ.items() if k not in memory.CAPACITIES}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(capacity), *memory.CAPACITIES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not torch.backends.mkldnn.is_available(),
    reason="no oneDNN, or no glibc to ask",
)
@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 in oneDNN"
)
def test_products_of_many_shapes_leave_little_behind() -> None:
    assert held(int(memory.ENOUGH)) < held(1024) / 2


def test_the_capacities_are_set_before_a_training_begins_unless_a_user_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = memory.CAPACITIES
    monkeypatch.setenv(first, "7")
    monkeypatch.delenv(second, raising=False)
    seen: list[tuple[str | None, ...]] = []

    class Trainer:
        def __init__(self, *parts: object) -> None:
            seen.append(tuple(os.environ.get(name) for name in memory.CAPACITIES))

    monkeypatch.setattr(memory, "Trainer", Trainer)
    memory.keep_few_products()
    memory.keep_few_products()  # once is enough
    assert second not in os.environ
    Trainer("cfg", "task")
    assert seen == [("7", memory.ENOUGH)]
    monkeypatch.setenv(second, memory.ENOUGH)  # to be taken away after the test
