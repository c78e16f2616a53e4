"""What the tasks of all rooms share: the steps of an update, and its figures."""

from argparse import Namespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import Tensor

from vq_nat.bottleneck import BottleneckConfig, build_bottleneck
from vq_nat.fairseq_side import compat, training


class Task(training.LatentTraining, FairseqTask):
    """A task with nothing but its steps."""

    def __init__(self, autocast: str = "none") -> None:
        self.cfg = Namespace(autocast=autocast)


class Model(BaseFairseqModel):
    """One layer, and random numbers while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.updates = torch.nn.Linear(3, 2), 0
        with torch.no_grad():
            self.layer.weight.copy_(torch.arange(6).view(2, 3))

    def set_num_updates(self, num_updates: int) -> None:
        """Remembers it."""
        self.updates = num_updates

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (N, 3) → (N, 2)."""
        return torch.dropout(self.layer(x), 0.5, self.training)


class Optimizer:
    """One without steps."""

    def backward(self, loss: Tensor) -> None:
        """Hands gradients out."""
        loss.backward()


def squares(model: Model, sample: Tensor) -> tuple[Tensor, int, dict[str, Any]]:
    """A criterion that logs the type of what the model gives."""
    out = model(sample)
    return out.float().square().sum(), len(sample), {"dtype": out.dtype}


@pytest.mark.parametrize("dummy", [False, True])
@pytest.mark.parametrize("trains", [False, True])
def test_an_update_is_fairseqs(trains: bool, dummy: bool) -> None:
    def update(step) -> list[Any]:
        torch.manual_seed(4)
        model = Model().train(trains)
        sample = torch.ones(5, 3)
        loss, size, log = step(Task(), sample, model, squares, Optimizer(), 7, dummy)
        gradients = [p.grad.tolist() for p in model.parameters()]
        return [loss.item(), gradients, size, log, model.training, model.updates]

    ours = update(Task.train_step)
    assert ours == update(FairseqTask.train_step)
    assert np.any(ours[1][0]) != dummy


@pytest.mark.parametrize("step", ["train", "valid"])
def test_a_criterion_runs_under_autocast(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "has_fast_bfloat16", lambda device: True)
    sample, model = torch.ones(1, 3), Model()
    for name, dtype in (("bfloat16", torch.bfloat16), ("none", torch.float32)):
        task = Task(name)
        if step == "train":
            result = task.train_step(sample, model, squares, Optimizer(), 0)
        else:
            result = task.valid_step(sample, model, squares)
        assert result[2] == {"dtype": dtype}
        assert model(sample).dtype == torch.float32


def test_figures_become_the_numbers_they_were(device) -> None:
    logs = [
        {
            "loss": torch.tensor(0.1, device=device),
            "hits": torch.tensor(3, device=device),
            "exact": torch.tensor([0.1], dtype=torch.float64, device=device),
            "words": 7,
        },
        {"loss": torch.tensor(2.5, device=device), "hits": torch.tensor(4).to(device)},
    ]
    first, second = training.as_numbers(logs)
    assert first == {
        "loss": torch.tensor(0.1).item(),
        "hits": 3,
        "exact": 0.1,
        "words": 7,
    }
    assert second == {"loss": 2.5, "hits": 4}
    assert isinstance(first["hits"], int)


def test_what_is_no_figure_stays_as_it_is() -> None:
    counts = torch.arange(3)
    (log,) = training.as_numbers([{"counts": counts, "name": "valid"}])
    assert log["counts"] is counts
    assert log["name"] == "valid"
    assert training.as_numbers([]) == []


def test_an_update_of_the_optimizer_is_followed_by_one_m_step() -> None:
    """The codes move by what was gathered, once, and not before the optimizer."""
    config = BottleneckConfig(vq_num_codes=4, vq_decay=0.5)
    model = torch.nn.ModuleList([build_bottleneck(config, 6) for _ in range(2)])
    model.train()
    still: list[bool] = []

    class Stepped:
        def step(self) -> None:

            still.append(all(torch.equal(b.codebook, c) for b, c in zip(model, before)))

    before = [bottleneck.codebook.clone() for bottleneck in model]
    for bottleneck in model:
        bottleneck(torch.randn(2, 5, 6))
    Task().optimizer_step(Stepped(), model, 0)
    assert still == [True]
    for bottleneck, codes in zip(model, before):
        assert not torch.equal(bottleneck.codebook, codes)
        assert bottleneck.num_updates == 1
    again = [bottleneck.codebook.clone() for bottleneck in model]
    Task().optimizer_step(Stepped(), model, 1)  # nothing new was gathered
    assert all(torch.equal(b.codebook, c) for b, c in zip(model, again))
