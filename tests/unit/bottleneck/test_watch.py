"""Codes out of use, and the warning on collapse."""

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch

from vq_nat.bottleneck import Bottleneck, watch

Make = Callable[..., Bottleneck]
NUM_CODES = 64
WINDOW = {"decay": 0.75, "num_codes": NUM_CODES}  # of 4 updates
KINDS: list[dict[str, Any]] = [
    {"assign": "hard"},
    {"num_samples": 0},
    {"update": "gradient", "assign": "hard"},
    {"kind": "gumbel"},
    {"kind": "fsq", "levels": "4,4,4"},
]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The sentences of this package."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "vq_nat.bottleneck.watch"
    ]


def stubborn(bottleneck: Bottleneck) -> None:
    """Lets Gumbel-softmax draw no other code than the most probable."""
    if hasattr(bottleneck, "to_logits"):
        bottleneck.to_logits.weight.data.mul_(1e6)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_collapse_is_told_once(
    make: Make, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    bottleneck = make(**WINDOW, **options)
    stubborn(bottleneck)
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)  # all on one code
    for n in range(12):
        bottleneck(z_e)
        bottleneck.m_step()
        assert len(warnings(caplog)) == (n >= 3), n
    assert caplog.records[-1].levelno == logging.WARNING
    sentence = (
        "in the last 4 updates before update 3 only 1 of 64 codes (1.6 %) were used."
    )
    assert sentence in warnings(caplog)[0]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_dead_codes_are_those_unused_for_a_window(
    make: Make, options: dict[str, Any]
) -> None:
    bottleneck = make(**WINDOW, **options)
    stubborn(bottleneck)
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)
    for n in range(6):
        dead = bottleneck(z_e).metrics["dead_codes"]
        assert dead == (63 / 64 if n >= 4 else 0)
        bottleneck.m_step()


def test_restarts_do_not_hide_a_collapse(
    make: Make, train: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    bottleneck = make(assign="hard", restart_after=2, decay=0.75, num_codes=128)
    z_e = torch.randn(1, 1, 8).expand(1, 128, 8)  # one code an update
    train(bottleneck, [z_e] * 8)
    metrics = bottleneck(z_e).metrics
    assert metrics["restarted_codes"] > 100
    assert metrics["dead_codes"] >= 1 - 4 / 128
    assert metrics["recent_codes"] <= 8 / 128
    assert len(warnings(caplog)) == 1


def test_recent_codes_are_those_since_quantization_began(
    make: Make, train: Callable
) -> None:
    bottleneck = make(assign="hard", warmup_updates=6)
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)
    train(bottleneck, [z_e] * 9)
    assert bottleneck(z_e).metrics["recent_codes"] == 1 / 8


def test_a_second_collapse_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    look = watch.CollapseWatch(window=4).look
    idle = torch.zeros(1, 100, dtype=torch.long)
    for in_use, told in [(4, 1), (4, 1), (7, 1), (4, 1), (10, 1), (4, 2)]:
        idle.fill_(4)
        idle[:, :in_use] = 3
        look(idle, 10)
        assert len(warnings(caplog)) == told


def test_the_slice_that_fares_worst_counts(caplog: pytest.LogCaptureFixture) -> None:
    idle = torch.zeros(2, 100, dtype=torch.long)
    idle[1, 2:] = 10
    watch.CollapseWatch(window=4).look(idle, 7)
    assert "only 2 of 100 codes (2.0 %)" in warnings(caplog)[0]


def test_a_healthy_codebook_is_not_warned_of(
    make: Make, train: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    bottleneck = make(**WINDOW, assign="hard")
    train(bottleneck, list(torch.randn(12, 2, 20, 8)))
    assert not warnings(caplog)


def test_warming_up_is_not_collapsing(
    make: Make, train: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    bottleneck = make(**WINDOW, warmup_updates=20)
    train(bottleneck, list(torch.randn(12, 1, 1, 8)))
    assert not warnings(caplog)


def test_updates_without_data_do_not_age_codes() -> None:
    use = watch.CodeUse(1, num_codes=3)
    use.gather_(torch.tensor([[1.0, 0.0, 0.0]]))
    use.m_step_()
    before = deepcopy(use.idle)
    use.m_step_()
    assert torch.equal(use.idle, before) and before.tolist() == [[0, 1, 1]]


def test_only_the_first_worker_warns(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = torch.full((1, 100), 10)
    monkeypatch.setattr(watch, "is_first_worker", lambda: False)
    watch.CollapseWatch(window=4).look(idle, 7)
    assert not warnings(caplog)
