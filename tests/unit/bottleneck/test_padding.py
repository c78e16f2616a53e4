"""What stands at padding changes nothing, in no member of the family."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from family import Make, every_exact_member, every_member
from torch import Tensor


def padded_batch(fill: float) -> tuple[Tensor, Tensor]:
    """(3, 6, 8) and its mask; what stands at padding is `fill`."""
    mask = torch.arange(6) < torch.tensor([[6], [2], [4]])
    mask[2] = mask[2].flip(0)  # padding on the left
    torch.manual_seed(5)
    return torch.randn(3, 6, 8).masked_fill(~mask.unsqueeze(-1), fill), mask


@every_exact_member
@pytest.mark.parametrize("fill", [0.0, 1e4, float("nan")])
def test_padded_equals_trimmed(
    make: Make, options: dict[str, Any], fill: float
) -> None:
    padded, trimmed = (make(**options) for _ in range(2))
    trimmed.load_state_dict(padded.state_dict())
    z_e, mask = padded_batch(fill)
    rows = z_e[mask].unsqueeze(0)
    for _ in range(3):
        z_e.requires_grad_()
        rows.requires_grad_()
        a, b = padded(z_e, mask), trimmed(rows)
        for name in ("quantized", "codes", "weights"):
            real = getattr(a, name)[mask]
            torch.testing.assert_close(real, getattr(b, name)[0])
            assert getattr(a, name)[~mask].abs().sum() == 0
        torch.testing.assert_close(a.loss, b.loss)
        assert a.metrics == pytest.approx(b.metrics)
        for out in (a, b):
            (out.quantized.square().sum() + out.loss).backward()
        assert z_e.grad is not None and rows.grad is not None
        torch.testing.assert_close(z_e.grad[mask], rows.grad[0])
        assert z_e.grad[~mask].abs().sum() == 0
        z_e.grad = rows.grad = None
        padded.m_step()
        trimmed.m_step()
        for name, value in padded.state_dict().items():
            torch.testing.assert_close(trimmed.state_dict()[name], value)


@every_member
def test_padding_changes_nothing_in_evaluation(
    make: Make, options: dict[str, Any]
) -> None:
    bottleneck = make(**options).eval()
    z_e, mask = padded_batch(float("nan"))
    padded, trimmed = bottleneck(z_e, mask), bottleneck(z_e[mask].unsqueeze(0))
    torch.testing.assert_close(padded.quantized[mask], trimmed.quantized[0])
    assert torch.equal(padded.codes[mask], trimmed.codes[0])
    assert padded.quantized[~mask].abs().sum() == 0


@every_member
def test_a_mask_of_all_real_positions_is_no_mask(
    make: Make, options: dict[str, Any]
) -> None:
    bottleneck, z_e = make(**options), torch.randn(3, 5, 8)
    torch.manual_seed(3)
    without = bottleneck(z_e)
    torch.manual_seed(3)
    masked = bottleneck(z_e, torch.ones(3, 5, dtype=torch.bool))
    assert torch.equal(without.quantized, masked.quantized)
    assert torch.equal(without.weights, masked.weights)
    assert torch.equal(without.loss, masked.loss)


@every_member
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_padding_only_is_no_trouble(
    make: Make, state: Callable, same: Callable, options: dict[str, Any], training: bool
) -> None:
    bottleneck = make(**options).train(training)
    before = state(bottleneck, updates=not training)
    z_e = torch.randn(2, 3, 8, requires_grad=True)
    out = bottleneck(z_e, torch.zeros(2, 3, dtype=torch.bool))
    (out.quantized.sum() + out.loss).backward()
    bottleneck.m_step()
    assert out.quantized.abs().sum() == 0 and out.loss.item() == 0
    assert not any(math.isnan(value) for value in out.metrics.values())
    assert same(state(bottleneck, updates=not training), before)
