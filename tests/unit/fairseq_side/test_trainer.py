"""Our cheaper work around an update does what fairseq's does."""

from types import SimpleNamespace

import pytest
import torch
from fairseq import utils
from fairseq.logging import metrics
from fairseq.trainer import Trainer

from vq_nat.fairseq_side import patches, trainer


def a_trainer(seed: int, updates: int) -> SimpleNamespace:
    """What of a trainer seeding needs."""
    common = SimpleNamespace(seed=seed)
    cfg = SimpleNamespace(
        common=common, optimization=SimpleNamespace(clip_norm=1.0, use_bmuf=False)
    )
    return SimpleNamespace(
        cfg=cfg, tpu=False, get_num_updates=lambda: updates, get_criterion=lambda: None
    )


@pytest.mark.parametrize(("seed", "updates"), [(1, 0), (1, 7), (3, 5)])
def test_the_random_numbers_are_fairseqs(seed: int, updates: int, device) -> None:
    utils.set_torch_seed(seed + updates)
    expected = torch.rand(5), torch.rand(5, device=device)
    trainer.set_seed(a_trainer(seed, updates))
    drawn = torch.rand(5), torch.rand(5, device=device)
    assert all(f.equal(e) for f, e in zip(drawn, expected))


def test_seeding_remembers_nothing() -> None:
    """torch queues its own seeding for devices that are not there, call by call."""
    queue = torch.cuda._queued_calls
    before = len(queue)
    for update in range(3):
        trainer.set_seed(a_trainer(1, update))
    assert len(queue) == before


@pytest.mark.parametrize("norm", [0.5, 3.0])
def test_the_figures_are_fairseqs(norm: float, device) -> None:
    def logged(log) -> dict[str, float]:
        fairseqs = a_trainer(1, 0)
        fairseqs.task = SimpleNamespace(
            reduce_metrics=lambda logs, criterion: metrics.log_scalar("loss", 2.0)
        )
        with metrics.aggregate(new_root=True) as figures:
            returned = log(fairseqs, [], 4, torch.tensor(norm, device=device))
        values = figures.get_smoothed_values()
        return {**{k: float(values[k]) for k in ("gnorm", "clip", "loss")}, **returned}

    assert logged(trainer.log_stats) == logged(trainer._log_stats)
    assert logged(trainer.log_stats)["clip"] == (100 if norm > 1 else 0)


def test_the_trainer_uses_both() -> None:
    patches.apply()
    assert Trainer._set_seed is trainer.set_seed
    assert Trainer._reduce_and_log_stats is trainer.log_stats
