"""Owns the members of the family by name, and how others add theirs.

Each member registers itself; nothing else lists them. One from outside the package does
the same, or is offered by an entry point of the group `vq_nat.bottlenecks`:

    from vq_nat.bottleneck import Bottleneck, register_bottleneck

    @register_bottleneck("mine")
    class Mine(Bottleneck):
        ...

`BottleneckConfig(vq_kind="mine")` then builds it, wherever there is a bottleneck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..registry import Registry

if TYPE_CHECKING:
    from .base import Bottleneck

MEMBERS: Registry[type[Bottleneck]] = Registry("vq_kind", "vq_nat.bottlenecks")
register_bottleneck = MEMBERS.register
