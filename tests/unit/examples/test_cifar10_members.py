"""The family's other members in the comparison on images."""

import math
from typing import Any

import pytest

from examples.lib import cifar10_em_members as members
from examples.lib import cifar10_em_report
from vq_nat.bottleneck import BottleneckConfig, build_bottleneck

DRAWN = {"codes": 256, "updates": 600, "vectors": 0.02}  # of a training


@pytest.mark.parametrize("name", members.LABELS)
def test_each_is_built_with_as_many_bits_a_code(name: str) -> None:
    flags = {"vq-num-codes": 256, **members.flags_of(name, **DRAWN)}
    options = {flag.replace("-", "_"): value for flag, value in flags.items()}
    bottleneck = build_bottleneck(BottleneckConfig(**options), 64)
    assert bottleneck.num_slices * math.log2(bottleneck.num_codes) == 8


def test_levels_are_as_many_bits_as_told() -> None:
    for bits in range(1, 13):
        levels = [int(level) for level in members.levels_of(2**bits).split(",")]
        assert math.prod(levels) == 2**bits and max(levels) <= 8


def row(setting: str, seed: int, lr: float = 0.003) -> dict[str, Any]:
    """A row of the report, of a setting's own flags."""
    flags: dict[str, Any] = {"vq-num-codes": 256, "vq-assign": "hard", "lr": lr}
    if setting in members.LABELS:
        flags |= members.flags_of(setting, **DRAWN)
    return {"setting": setting, "seed": seed, "flags": flags, "data_sha256": "a"}


def test_members_stand_beside_rows_that_are_alike_in_all_else() -> None:
    rows = [row("hard", 1), row("residual", 1), row("gumbel", 1), row("lfq", 1, lr=0.1)]
    rows += [{**row("hard", 2), "flags": {**rows[0]["flags"], "vq-num-codes": 512}}]
    kept, left_out = cifar10_em_report.alike(rows)
    assert [one["setting"] for one in kept] == ["hard", "residual", "gumbel"]
    assert [one["setting"] for one in left_out] == ["lfq", "hard"]


def test_members_alone_stand_beside_each_other() -> None:
    rows = [row("residual", 1), row("gumbel", 1), row("lfq", 1, lr=0.1)]
    assert cifar10_em_report.alike(rows) == (rows[:2], rows[2:])


def test_nothing_is_said_of_members_but_in_the_table() -> None:
    rows = [
        {
            **row(setting, 1),
            "label": f"label of {setting}",
            "bits_per_dim": {"total_uniform": bits, "total_learned": None},
            "collapsed": False,
        }
        for setting, bits in (("hard", 5.0), ("soft-5", 4.9), ("residual", 4.0))
    ]
    text = cifar10_em_report.findings(rows)
    assert "soft-5" in text and "residual" not in text
