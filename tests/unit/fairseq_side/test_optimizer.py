"""Adam over all parameters at once is fairseq's Adam, and so is the norm."""

import copy
import inspect

import pytest
import torch
from fairseq import utils
from fairseq.optim import adam
from torch import nn

from vq_nat.fairseq_side import optimizer, patches


@pytest.fixture(autouse=True)
def at_once(monkeypatch, device) -> None:
    """On a CPU, too, where there is no GPU to test on."""
    monkeypatch.setattr(optimizer, "AT_ONCE", (device.type,))


@pytest.fixture
def network(device) -> nn.Module:
    """Layers of random weights."""
    torch.manual_seed(1)
    layers = nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3)
    return nn.Sequential(*layers).to(device)


def train(step, start: nn.Module, updates: int, state=None, **options):
    """Trains a copy of a network; every second update leaves a layer out."""
    torch.manual_seed(2)
    model = copy.deepcopy(start)
    device = next(model.parameters()).device
    adams = adam.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.98), **options)
    if state is not None:
        adams.load_state_dict(copy.deepcopy(state))
    for update in range(updates):
        adams.zero_grad()
        x = torch.randn(4, 5).to(device)
        (model if update % 2 else model[:2])(x).square().sum().backward()
        step(adams)
    return model, adams.state_dict()


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"amsgrad": True}])
def test_at_once_is_one_by_one(options, network) -> None:
    start = network
    (ours, own), (theirs, other) = (
        train(step, start, 6, **options)
        for step in (optimizer.step, optimizer._one_by_one)
    )
    assert not ours[0].weight.equal(start[0].weight)
    assert not ours[2].weight.equal(start[2].weight)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=0, atol=1e-7)
    for key, state in other["state"].items():
        assert own["state"][key].keys() == state.keys()
        assert own["state"][key]["step"] == state["step"]


def test_a_checkpoint_of_either_is_one_of_the_other(network) -> None:
    start, state = train(optimizer._one_by_one, network, 3)
    ours, _ = train(optimizer.step, start, 2, state=state)
    theirs, _ = train(optimizer._one_by_one, start, 2, state=state)
    torch.testing.assert_close(ours[0].weight, theirs[0].weight, rtol=0, atol=1e-7)


def test_half_precision_goes_fairseqs_way(network, device) -> None:
    """Even if its gradients are made by the closure."""
    start = network.to(torch.bfloat16)
    x = torch.ones(2, 5, dtype=torch.bfloat16, device=device)

    def halved(step):
        model = copy.deepcopy(start)
        adams = adam.Adam(model.parameters(), lr=0.01)

        def closure() -> float:
            loss = model(x).sum()
            loss.backward()
            return float(loss)

        assert isinstance(step(adams, closure), float)
        return model[0].weight

    assert halved(optimizer.step).equal(halved(optimizer._one_by_one))


def test_a_cpu_goes_fairseqs_way(monkeypatch) -> None:
    group = {"params": [nn.Parameter(torch.zeros(3))]}
    group["params"][0].grad = torch.ones(3)
    monkeypatch.undo()
    assert optimizer.AT_ONCE == ("cuda",)
    assert not optimizer.is_plain(group)


def test_the_norm_is_that_of_all_gradients_in_one() -> None:
    grads = [torch.randn(3, 4), torch.randn(5).double(), torch.randn(2).bfloat16()]
    expected = torch.cat([grad.float().flatten() for grad in grads]).norm()
    torch.testing.assert_close(optimizer.total_norm(grads), expected)
    assert optimizer.total_norm(grads).dtype == torch.float32


def test_the_host_uses_both() -> None:
    patches.apply()
    assert inspect.unwrap(adam.Adam.step) is optimizer.step
    assert utils.multi_tensor_total_norm is optimizer.total_norm
    weights = [nn.Parameter(torch.zeros(3)) for _ in range(2)]
    for weight in weights:
        weight.grad = torch.full((3,), 2.0)
    norm = utils.clip_grad_norm_(weights, 1.0)
    torch.testing.assert_close(norm, torch.tensor(24.0**0.5))
    torch.testing.assert_close(weights[0].grad, torch.full((3,), 2 / 24**0.5))
