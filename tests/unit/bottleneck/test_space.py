"""The space of the codes: fewer dimensions, and vectors of length 1."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from averages import averaged
from torch import Tensor

from vq_nat.bottleneck import Bottleneck

Make = Callable[..., Bottleneck]

SPACES: list[dict[str, Any]] = [
    {"code_dim": 3},
    {"metric": "cosine"},
    {"code_dim": 3, "metric": "cosine"},
]
every_space = pytest.mark.parametrize("options", SPACES, ids=str)
every_update = pytest.mark.parametrize("update", ["ema", "gradient"])


def entered(bottleneck: Bottleneck, z_e: Tensor) -> Tensor:
    """(B, L, C) -> (G, N, code width)."""
    return bottleneck.space.enter(z_e.flatten(0, 1)).detach()


@every_space
@every_update
def test_the_codebook_is_what_the_decoder_sees(
    make: Make, options: dict[str, Any], update: str
) -> None:
    bottleneck = make(assign="hard", slices=2, update=update, **options)
    out = bottleneck(torch.randn(3, 5, 8))
    assert bottleneck.codebook.shape == (2, 8, 4)
    assert bottleneck.table.codes.shape == (2, 8, options.get("code_dim", 4))
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.codes))
    torch.testing.assert_close(out.quantized, averaged(bottleneck, out.weights))


@every_space
def test_codes_are_the_nearest_of_their_space(
    make: Make, options: dict[str, Any]
) -> None:
    bottleneck, z_e = make(slices=2, **options), torch.randn(3, 5, 8)
    z, codes = entered(bottleneck, z_e), bottleneck.table.codes
    if "metric" in options:
        near = torch.cosine_similarity(z.unsqueeze(2), codes.unsqueeze(1), dim=-1)
    else:
        near = -(z.unsqueeze(2) - codes.unsqueeze(1)).square().sum(-1)
    chosen = bottleneck(z_e).codes.flatten(0, 1).t()
    assert torch.equal(chosen, near.argmax(-1))


def test_cosine_ignores_the_length_of_vectors(make: Make) -> None:
    bottleneck = make(metric="cosine", num_samples=0, slices=2)
    z_e = torch.randn(3, 5, 8)
    lengths = torch.rand(3, 5, 1) + 0.1
    a, b = bottleneck(z_e), bottleneck(lengths * z_e)
    torch.testing.assert_close(a.quantized, b.quantized)
    torch.testing.assert_close(a.weights, b.weights)
    torch.testing.assert_close(a.loss, b.loss)
    norms = bottleneck.codebook.norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(2, 8))


def test_a_vector_of_length_0_is_no_trouble(make: Make) -> None:
    z_e = torch.zeros(1, 2, 8, requires_grad=True)
    out = make(metric="cosine")(z_e)
    (out.quantized.sum() + out.loss).backward()
    assert out.loss.isfinite() and z_e.grad is not None
    assert z_e.grad.isfinite().all()


@every_space
@every_update
def test_gradients_pass_straight_through_the_space(
    make: Make, options: dict[str, Any], update: str
) -> None:
    """That of `quantized` is the one that z_e, unquantized, would have had."""
    bottleneck = make(assign="hard", slices=2, update=update, **options)
    z_e = torch.randn(3, 4, 8, requires_grad=True)
    upstream = torch.randn(3, 4, 8)
    out = bottleneck(z_e)
    (ours,) = torch.autograd.grad((out.quantized * upstream).sum(), z_e)
    free = bottleneck.space.leave(bottleneck.space.enter(z_e.flatten(0, 1)))
    (expected,) = torch.autograd.grad((free.view_as(z_e) * upstream).sum(), z_e)
    torch.testing.assert_close(ours, expected)


@every_space
def test_the_commitment_is_made_in_the_space(
    make: Make, options: dict[str, Any]
) -> None:
    bottleneck = make(assign="hard", commitment=0.3, **options)
    z_e = torch.randn(3, 4, 8)
    z, out = entered(bottleneck, z_e), bottleneck(z_e)
    codes = bottleneck.space.place(bottleneck.table.codes)
    chosen = codes[0, out.codes.flatten()]
    loss = 0.3 * (z[0] - chosen).square().mean()
    torch.testing.assert_close(out.loss, loss)


@every_space
@every_update
def test_every_parameter_learns_even_while_warming_up(
    make: Make, options: dict[str, Any], update: str
) -> None:
    bottleneck = make(update=update, warmup_updates=1, **options)
    for name in ("warm-up", "training"):
        out = bottleneck(torch.randn(3, 4, 8, requires_grad=True))
        (out.quantized.square().sum() + out.loss).backward()
        for key, parameter in bottleneck.named_parameters():
            assert parameter.grad is not None, (name, key)
        bottleneck.m_step()


@every_space
@every_update
def test_a_restarted_code_is_a_vector_of_the_space_and_is_picked_next(
    make: Make, options: dict[str, Any], update: str
) -> None:
    bottleneck = make(
        assign="hard", update=update, restart_after=1, num_codes=64, **options
    )
    z_e = torch.randn(1, 12, 8)
    used = set(bottleneck(z_e).codes.flatten().tolist())
    bottleneck.m_step()
    z = entered(bottleneck, z_e)[0]
    out = bottleneck(z_e)
    assert out.metrics["restarted_codes"] == 12  # as many as there are vectors
    picked = out.codes.flatten().tolist()
    assert not used & set(picked)
    torch.testing.assert_close(bottleneck.table.codes[0, picked], z)


@every_space
def test_one_step_after_data_init_does_not_worsen_the_error(
    make: Make, options: dict[str, Any]
) -> None:
    centres = torch.randn(8, 1, 8)
    z_e = (centres + 0.01 * torch.randn(8, 20, 8)).flatten(0, 1).unsqueeze(0)
    bottleneck = make(init="data", assign="hard", decay=0.99, **options)
    bottleneck(z_e)
    bottleneck.m_step()
    errors = []
    for _ in range(5):
        errors.append(bottleneck(z_e).metrics["quantization_error"])
        bottleneck.m_step()
    assert errors[0] < 1e-2
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(errors))


def test_cosine_em_on_a_frozen_batch_is_spherical_k_means(make: Make) -> None:
    bottleneck = make(assign="hard", decay=0.0, epsilon=1e-8, metric="cosine")
    z_e, errors = torch.randn(4, 50, 8), []
    for _ in range(60):
        errors.append(bottleneck(z_e).metrics["quantization_error"])
        bottleneck.m_step()
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(errors))
    codes, z = bottleneck(z_e).codes.flatten(), entered(bottleneck, z_e)[0]
    for code in codes.unique():
        mean = torch.nn.functional.normalize(z[codes == code].mean(0), dim=0)
        torch.testing.assert_close(
            bottleneck.codebook[0, code], mean, rtol=1e-4, atol=1e-5
        )
