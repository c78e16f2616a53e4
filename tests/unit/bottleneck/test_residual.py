"""Slices that add up: each quantizes what the ones before have left."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, Prior

Make = Callable[..., Bottleneck]
WIDTH = 8


def chain(make: Make, whole: Bottleneck, **options: object) -> list[Bottleneck]:
    """Quantizers of one slice each, with the codes of a residual one."""
    singles = []
    for index in range(whole.num_slices):
        single = make(**options)
        state = {
            name: value[index : index + 1] if value.dim() else value
            for name, value in whole.state_dict().items()
            if "_extra" not in name
        }
        single.load_state_dict(state, strict=False)
        singles.append(single)
    return singles


@pytest.mark.parametrize(
    "options",
    [
        {"assign": "hard"},
        {"num_samples": 0, "temperature": 0.5},
        {"num_samples": 0, "temperature": 0.1, "temperature_scale": "relative"},
    ],
    ids=str,
)
def test_it_is_a_chain_of_quantizers(make: Make, options: dict) -> None:
    whole = make(slices=3, slicing="residual", decay=0.9, **options)
    singles = chain(make, whole, decay=0.9, **options)
    for _ in range(20):
        z_e = torch.randn(2, 5, WIDTH, requires_grad=True)
        out = whole(z_e)
        rest, total, losses = z_e, torch.zeros(2, 5, WIDTH), []
        for index, single in enumerate(singles):
            one = single(rest)
            assert torch.equal(out.codes[..., index], one.codes[..., 0])
            torch.testing.assert_close(
                out.weights[..., index, :], one.weights[..., 0, :]
            )
            losses.append(one.loss)
            total = total + one.quantized.detach()
            rest = rest - one.quantized.detach()
            single.m_step()
        torch.testing.assert_close(out.quantized, total)
        torch.testing.assert_close(out.loss, torch.stack(losses).mean())
        ours, theirs = (
            torch.autograd.grad(loss, z_e, retain_graph=True)[0]
            for loss in (out.loss, torch.stack(losses).mean())
        )
        torch.testing.assert_close(ours, theirs)
        whole.m_step()
        codebooks = torch.cat([single.codebook for single in singles])
        torch.testing.assert_close(whole.codebook, codebooks)
    error = (z_e - out.quantized).detach().square().sum(-1).mean().item()
    assert out.metrics["quantization_error"] == pytest.approx(error, rel=1e-4)


def test_the_decoders_gradient_passes_once(make: Make) -> None:
    bottleneck = make(slices=4, slicing="residual", assign="hard")
    z_e = torch.randn(2, 5, WIDTH, requires_grad=True)
    bottleneck(z_e).quantized.sum().backward()
    assert torch.equal(z_e.grad, torch.ones(2, 5, WIDTH))


def test_any_number_of_slices_fits_any_width(make: Make) -> None:
    bottleneck = make(width=7, slices=3, slicing="residual")
    assert bottleneck.codebook.shape == (3, 8, 7)
    assert bottleneck(torch.randn(2, 5, 7)).codes.shape == (2, 5, 3)


@pytest.mark.parametrize("code_dim", [0, 3])
def test_lookup_adds_up_the_codebook(make: Make, code_dim: int) -> None:
    bottleneck = make(slices=3, slicing="residual", code_dim=code_dim).eval()
    if code_dim:
        torch.nn.init.normal_(bottleneck.space.project_out.bias)
    out = bottleneck(torch.randn(2, 5, WIDTH))
    assert len(out.codes.flatten(0, 1).unique(dim=0)) > 1
    added = sum(bottleneck.codebook[i][out.codes[..., i]] for i in range(3))
    torch.testing.assert_close(bottleneck.lookup(out.codes), added)
    torch.testing.assert_close(out.quantized, added)


def test_each_slice_lowers_the_error_of_data(make: Make) -> None:
    vectors = torch.randn(1, 400, WIDTH)
    errors = []
    for slices in (1, 2, 4):
        bottleneck = make(slices=slices, slicing="residual", init="data", assign="hard")
        bottleneck(vectors)
        bottleneck.m_step()
        out = bottleneck(vectors)
        assert out.metrics["unquantized"] == 0
        errors.append(out.metrics["quantization_error"])
    assert errors[1] < 0.8 * errors[0] and errors[2] < 0.8 * errors[1]


def test_dead_codes_restart_from_what_their_slice_sees(make: Make) -> None:
    bottleneck = make(slices=2, slicing="residual", assign="hard", restart_after=1)
    bottleneck.table.codes[:, 1:] = 100.0  # nobody's nearest
    bottleneck.table.codes[0, 0] = 5.0
    bottleneck.table.ema_sums.copy_(bottleneck.table.codes)
    z_e = torch.randn(1, 40, WIDTH) + 5
    bottleneck(z_e)
    bottleneck.m_step()
    rest = z_e[0] - 5.0
    for index, seen in enumerate((z_e[0], rest)):
        dead = bottleneck.table.codes[index, 1:]
        away = (dead.unsqueeze(1) - seen).abs().amax(-1).amin(-1)
        assert (away < 1e-5).all()


def test_a_prior_is_heard_slice_by_slice(make: Make) -> None:
    bottleneck = make(slices=2, slicing="residual", temperature=1.0, num_samples=0)
    z_e = torch.randn(1, 6, WIDTH)
    wanted = torch.randint(8, (1, 6, 2))
    log_probs = torch.full((1, 6, 2, 8), -1e3).scatter(-1, wanted.unsqueeze(-1), 0.0)
    out = bottleneck(z_e, prior=Prior(log_probs, weight=1.0))
    assert torch.equal(out.codes, wanted)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "cosine"}, "`vq_metric` must be 'euclidean' with `vq_slicing` 're"),
        ({"kind": "gumbel"}, "`vq_slicing` must be 'product' with `vq_kind` 'gumbel'"),
    ],
)
def test_what_does_not_add_up_is_refused(
    make: Make, options: dict, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(slices=2, slicing="residual", **options)


def grouped(make: Make, z_e: Tensor) -> Tensor:
    """Quantizes two halves of the width by quantizers of their own."""
    whole = make(slices=2, assign="hard")
    halves = chain(lambda **o: make(width=WIDTH // 2, **o), whole, assign="hard")
    parts = [half(part).quantized for half, part in zip(halves, z_e.chunk(2, -1))]
    assert torch.equal(whole(z_e).quantized, torch.cat(parts, -1))
    return whole(z_e).codes


def test_grouped_quantization_is_that_of_slices(make: Make) -> None:
    assert grouped(make, torch.randn(2, 5, WIDTH)).shape == (2, 5, 2)
