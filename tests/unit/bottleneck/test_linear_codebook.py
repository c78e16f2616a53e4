"""SimVQ: fixed codes, all of them moved by one linear layer."""

from collections.abc import Callable

import pytest
import torch

from vq_nat.bottleneck import Bottleneck

Make = Callable[..., Bottleneck]


def test_codes_are_fixed_points_under_one_layer(make: Make) -> None:
    bottleneck = make(update="linear", slices=2)
    table = bottleneck.table
    for index in range(2):
        torch.testing.assert_close(
            bottleneck.codebook[index], table.points[index] @ table.basis[index]
        )
    assert [name for name, _ in table.named_parameters()] == ["basis"]


def test_the_loss_moves_codes_that_no_vector_chose(make: Make) -> None:
    bottleneck = make(update="linear", assign="hard", num_codes=16)
    optimizer = torch.optim.SGD(bottleneck.parameters(), lr=1.0)
    before = bottleneck.codebook.detach().clone()
    points = bottleneck.table.points.clone()
    out = bottleneck(torch.randn(1, 3, 8))
    out.loss.backward()
    optimizer.step()
    bottleneck.m_step()
    unused = out.weights.sum((0, 1))[0] == 0
    assert unused.sum() >= 13
    moved = (bottleneck.codebook.detach() - before)[0].norm(dim=-1)
    assert (moved[unused] > 0).all() and torch.equal(bottleneck.table.points, points)


def test_the_loss_is_that_of_the_paper(make: Make) -> None:
    bottleneck = make(update="linear", assign="hard", commitment=0.25)
    z_e = torch.randn(2, 5, 8, requires_grad=True)
    out = bottleneck(z_e)
    error = z_e - bottleneck.lookup(out.codes)
    assert out.loss.item() == pytest.approx(1.25 * error.square().mean().item())
    (at_z,) = torch.autograd.grad(out.loss, z_e, retain_graph=True)
    torch.testing.assert_close(at_z, 2 * 0.25 * error.detach() / error.numel())
    (at_basis,) = torch.autograd.grad(out.loss, bottleneck.table.basis)
    chosen = bottleneck.table.points[0][out.codes[..., 0]]  # (2, 5, 8)
    slope = -2 / error.numel() * torch.einsum("bli,blj->ij", chosen, error.detach())
    torch.testing.assert_close(at_basis[0], slope)


@pytest.mark.parametrize("slicing", ["product", "residual"])
def test_a_codebook_from_data_is_that_of_averages(make: Make, slicing: str) -> None:
    vectors = torch.randn(1, 100, 8)
    codebooks = []
    for update in ("ema", "linear"):
        bottleneck = make(update=update, init="data", slices=2, slicing=slicing)
        bottleneck(vectors)
        bottleneck.m_step()
        codebooks.append(bottleneck.codebook)
    torch.testing.assert_close(*codebooks)


def test_restarts_are_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="`vq_restart_after` must be 0 with `vq_upd"):
        make(update="linear", restart_after=1)
