"""Lookup-free and binary spherical quantization, and their entropy term."""

import math
from collections.abc import Callable

import pytest
import torch
from averages import averaged
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, lfq

Make = Callable[..., Bottleneck]
METRICS = ["euclidean", "cosine"]


def plain(make: Make, metric: str, **options: object) -> Bottleneck:
    """Four bits of four numbers, which are those of z_e."""
    bottleneck = make(width=4, kind="lfq", num_codes=16, metric=metric, **options)
    for layer in (bottleneck.to_numbers, bottleneck.from_numbers):
        layer.weight.data.copy_(torch.eye(4))
    return bottleneck


def posterior(u: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """softmax_j(-||u - e_j||^2 / tau), all K codes written out, in float64."""
    distances = torch.cdist(u.double(), codes.double()).square()
    return torch.softmax(-distances / temperature, dim=-1)


@pytest.mark.parametrize("metric", METRICS)
def test_codes_are_signs_and_the_nearest(make: Make, metric: str) -> None:
    bottleneck = plain(make, metric)
    z_e = torch.randn(3, 5, 4)
    out = bottleneck(z_e)
    size = 1.0 if metric == "euclidean" else 0.5
    torch.testing.assert_close(out.quantized, size * z_e.sign())
    u = torch.nn.functional.normalize(z_e, dim=-1) if metric == "cosine" else z_e
    nearest = torch.cdist(u.flatten(0, 1), bottleneck.codebook[0]).argmin(-1)
    assert torch.equal(out.codes.flatten(), nearest)
    lengths = bottleneck.codebook.norm(dim=-1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 2 * size))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_the_loss_is_that_of_the_paper(
    make: Make, metric: str, temperature: float
) -> None:
    options = {"entropy_weight": 0.3, "diversity": 0.7, "commitment": 0.2}
    bottleneck = plain(make, metric, temperature=temperature, **options)
    z_e = torch.randn(3, 5, 4, requires_grad=True)
    out = bottleneck(z_e)
    u = z_e.flatten(0, 1).double()
    u = torch.nn.functional.normalize(u, dim=-1) if metric == "cosine" else u
    q = posterior(u, bottleneck.codebook[0].detach(), temperature)
    own = torch.special.entr(q).sum(-1).mean()
    of_all = torch.special.entr(q.mean(0)).sum()
    error = (u - out.quantized.detach().flatten(0, 1)).square().mean()
    loss = 0.2 * error + 0.3 * (own - 0.7 * of_all)
    torch.testing.assert_close(out.loss.double(), loss)
    slope, expected = (torch.autograd.grad(x, z_e)[0] for x in (out.loss, loss))
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-6)
    assert out.metrics["posterior_entropy"] == pytest.approx(own.item(), rel=1e-4)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_mean_posterior_is_that_of_all_codes(bits: int) -> None:
    numbers = torch.randn(2, 7, bits)
    codes = 0.5 * (2 * lfq.codes_to_bits(torch.arange(2**bits), bits) - 1)
    mean = lfq.mean_posterior(lfq.bit_log_probs(numbers, 0.5, 1.3))
    for index in range(2):
        q = posterior(numbers[index], codes, 1.3).mean(0).float()
        torch.testing.assert_close(mean[index].sort().values, q.sort().values)


def test_sure_and_spread_vectors_have_the_least_loss(make: Make) -> None:
    bottleneck = plain(make, "euclidean", commitment=0.0, entropy_weight=1.0)
    spread = 20 * bottleneck.codebook.detach()
    least = bottleneck(spread).loss.item()
    assert least == pytest.approx(-math.log(16), abs=1e-3)
    for worse in (1e-4 * spread, spread[:, :1].expand(1, 16, 4)):
        assert bottleneck(worse).loss.item() == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("training", [True, False])
def test_the_output_is_the_lookup_of_its_codes(
    make: Make, metric: str, training: bool
) -> None:
    bottleneck = make(kind="lfq", slices=2, metric=metric).train(training)
    out = bottleneck(torch.randn(3, 5, 8))
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.codes))
    torch.testing.assert_close(out.quantized, averaged(bottleneck, out.weights))
    assert torch.equal(out.weights.argmax(-1), out.codes)


def test_gradients_pass_the_signs(make: Make) -> None:
    bottleneck = plain(make, "euclidean")
    z_e = torch.randn(3, 5, 4, requires_grad=True)
    upstream = torch.randn(3, 5, 4)
    (bottleneck(z_e).quantized * upstream).sum().backward()
    torch.testing.assert_close(z_e.grad, upstream)


def test_the_temperature_follows_the_schedule(make: Make) -> None:
    bottleneck = plain(
        make,
        "euclidean",
        temperature=4.0,
        temperature_end=0.25,
        schedule="exponential",
        schedule_updates=2,
    )
    z_e, entropies = torch.randn(1, 9, 4), []
    for update in range(3):
        bottleneck.set_num_updates(update)
        entropies.append(bottleneck(z_e).metrics["posterior_entropy"])
    for entropy, tau in zip(entropies, (4.0, 1.0, 0.25)):
        q = posterior(z_e[0], bottleneck.codebook[0].detach(), tau)
        own = torch.special.entr(q).sum(-1).mean().item()
        assert entropy == pytest.approx(own, rel=1e-4)


def test_codes_that_no_vector_may_have_harm_no_gradient() -> None:
    """Their probability ends at 0, where the entropy's slope has no end."""
    numbers = torch.tensor([[[2.0, -2.0, 2.0], [2.0, -1.0, 0.001]]]).requires_grad_()
    log_probs = lfq.bit_log_probs(numbers, 1.0, 0.01)
    assert lfq.mean_posterior(log_probs).min() == 0
    own, of_all = lfq.entropies(log_probs)
    (own - of_all).backward()
    assert numbers.grad is not None and numbers.grad.isfinite().all()
    assert numbers.grad[0, 1, 2] != 0  # a bit that is not sure is moved still
