"""Dropout with cheap random numbers: what torch's does, but for the numbers drawn."""

import pytest
import torch

from vq_nat.nn.dropout import Dropout


@pytest.fixture
def figures() -> torch.Tensor:
    return torch.ones(257, 389)  # a count that four does not divide


@pytest.mark.parametrize("p", [0.05, 0.15, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(figures, p) -> None:
    torch.manual_seed(1)
    out = Dropout(p)(figures)
    share = out.eq(0).float().mean().item()
    deviation = (p * (1 - p) / out.numel()) ** 0.5
    assert share == pytest.approx(p, abs=5 * deviation)
    kept = out[out != 0]
    assert kept.unique().numel() == 1
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=1e-4)


def test_figures_are_dropped_independently_of_their_neighbours(figures) -> None:
    """Four share a draw, which must not tie them together."""
    torch.manual_seed(2)
    dropped = Dropout(0.3)(figures).eq(0).double().flatten()
    for distance in (1, 2, 3, 4, figures.size(1)):
        pairs = torch.stack([dropped[:-distance], dropped[distance:]])
        assert abs(torch.corrcoef(pairs)[0, 1].item()) < 5 / figures.numel() ** 0.5


def test_the_gradient_is_dropped_with_the_figures() -> None:
    torch.manual_seed(3)
    x = torch.randn(33, 7, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def test_a_seed_repeats_and_a_second_draw_differs(figures) -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(4)
        module = Dropout(0.2)
        draws.append([module(figures), module(figures)])
    assert draws[0][0].equal(draws[1][0])
    assert draws[0][1].equal(draws[1][1])
    assert not draws[0][0].equal(draws[0][1])


@pytest.mark.parametrize("p, training", [(0.0, True), (0.3, False)])
def test_nothing_is_dropped_without_need(figures, p, training) -> None:
    assert Dropout(p).train(training)(figures).equal(figures)


def test_all_can_be_dropped(figures) -> None:
    assert not Dropout(1.0)(figures).any()
    assert Dropout(1 - 1e-9)(figures).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_is_float32_or_better(dtype) -> None:
    out = Dropout(0.5)(torch.ones(8, dtype=dtype))
    assert out.dtype == torch.promote_types(dtype, torch.float32)
    assert set(out.tolist()) <= {0.0, 2.0}
