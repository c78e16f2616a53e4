"""What the tests of the bottleneck share: small ones, and small batches."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, BottleneckConfig, build_bottleneck


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(1)


@pytest.fixture
def make() -> Callable[..., Bottleneck]:
    """make(width=8, kind="vq", …): a small bottleneck; options go without `vq_`."""

    def build(width: int = 8, **options: Any) -> Bottleneck:
        named = {f"vq_{name}": value for name, value in options.items()}
        return build_bottleneck(BottleneckConfig(**{"vq_num_codes": 8, **named}), width)

    return build


@pytest.fixture
def train() -> Callable[..., None]:
    """train(bottleneck, batches): one update per batch, without an optimizer."""

    def run(bottleneck: Bottleneck, batches: list[Tensor]) -> None:
        for z_e in batches:
            bottleneck(z_e)
            bottleneck.m_step()

    return run


@pytest.fixture
def state() -> Callable[..., dict[str, Tensor]]:
    """state(bottleneck): a copy of all that a forward pass or M-step might move.

    With `updates=False` without what counts updates, whatever they did.
    """

    def copy(bottleneck: Bottleneck, updates: bool = True) -> dict[str, Tensor]:
        tensors = {**dict(bottleneck.named_buffers()), **bottleneck.state_dict()}
        return {
            name: tensor.clone()
            for name, tensor in tensors.items()
            if updates or not name.endswith("_extra_state")
        }

    return copy


@pytest.fixture
def same() -> Callable[[dict[str, Tensor], dict[str, Tensor]], bool]:
    """same(a, b): whether two states are equal to the last bit."""

    def compare(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
        return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    return compare
