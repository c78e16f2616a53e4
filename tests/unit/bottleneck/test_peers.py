"""The members beside those of vector-quantize-pytorch: equal numbers on equal input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, gradients

vqp = pytest.importorskip("vector_quantize_pytorch")
inner = pytest.importorskip("vector_quantize_pytorch.vector_quantize_pytorch")

Make = Callable[..., Bottleneck]
WIDTH, CODES, DECAY, BETA = 8, 16, 0.9, 0.3
PLAIN = {  # what is theirs beyond the equations
    "kmeans_init": False,
    "threshold_ema_dead_code": 0,
    "decay": DECAY,
    "commitment_weight": BETA,
}


def ours(make: Make, **options: object) -> Bottleneck:
    """Builds ours with the same options."""
    shared = {"num_codes": CODES, "decay": DECAY, "commitment": BETA, "assign": "hard"}
    return make(width=WIDTH, **{**shared, **options})


def copy_codes(theirs: torch.nn.Module, codes: Tensor) -> None:
    """Gives one of their codebooks codes (G, K, D) of ours, one vector on each."""
    codebook = theirs._codebook
    codebook.embed.data.copy_(codes)
    codebook.embed_avg.data.copy_(codes)
    codebook.cluster_size.data.fill_(1.0)


def check_grouped(make: Make, slices: int, metric: str) -> None:
    """Compares ten updates."""
    bottleneck = ours(make, slices=slices, metric=metric)
    theirs = vqp.VectorQuantize(
        WIDTH,
        CODES,
        heads=slices,
        codebook_dim=WIDTH // slices,
        separate_codebook_per_head=True,
        use_cosine_sim=metric == "cosine",
        rotation_trick=False,
        **PLAIN,
    )
    copy_codes(theirs, bottleneck.codebook)
    for _ in range(10):
        z = torch.randn(2, 9, WIDTH, requires_grad=True)
        upstream = torch.randn(2, 9, WIDTH)
        out, (quantized, codes, loss) = bottleneck(z), theirs(z)
        torch.testing.assert_close(out.quantized, quantized)
        assert torch.equal(out.codes, codes.view(out.codes.shape))
        torch.testing.assert_close(out.loss, loss.squeeze())
        own_gradient, expected = (
            torch.autograd.grad((q * upstream).sum() + own, z)[0]
            for q, own in ((out.quantized, out.loss), (quantized, loss.sum()))
        )
        torch.testing.assert_close(own_gradient, expected)
        bottleneck.m_step()
        if metric == "euclidean":  # theirs averages codes of length 1, ours vectors
            torch.testing.assert_close(bottleneck.codebook, theirs._codebook.embed)
        else:
            copy_codes(theirs, bottleneck.codebook)


@pytest.mark.parametrize("slices", [1, 2, 4])
def test_plain_and_grouped_quantization(make: Make, slices: int) -> None:
    check_grouped(make, slices, "euclidean")


def test_quantization_on_the_sphere(make: Make) -> None:
    check_grouped(make, 1, "cosine")


def test_residual_quantization(make: Make) -> None:
    bottleneck = ours(make, slices=3, slicing="residual")
    theirs = vqp.ResidualVQ(
        dim=WIDTH, num_quantizers=3, codebook_size=CODES, rotation_trick=False, **PLAIN
    )
    for layer, codes in zip(theirs.layers, bottleneck.codebook):
        copy_codes(layer, codes.unsqueeze(0))
    for _ in range(10):
        z = torch.randn(2, 9, WIDTH)
        out, (quantized, codes, losses) = bottleneck(z), theirs(z)
        torch.testing.assert_close(out.quantized, quantized)
        assert torch.equal(out.codes, codes)
        torch.testing.assert_close(out.loss, losses.mean())
        bottleneck.m_step()
        torch.testing.assert_close(bottleneck.codebook, theirs.codebooks)


@pytest.mark.parametrize("rotation", [False, True])
def test_simvq(make: Make, rotation: bool) -> None:
    gradient = "rotation" if rotation else "straight"
    bottleneck = ours(make, update="linear", gradient=gradient)
    theirs = vqp.SimVQ(
        WIDTH,
        CODES,
        rotation_trick=rotation,
        input_to_quantize_commit_loss_weight=BETA,
    )
    table = bottleneck.table
    theirs.frozen_codebook.copy_(table.points[0])
    theirs.code_transform.weight.data.copy_(table.basis[0].t())
    z = torch.randn(2, 9, WIDTH, requires_grad=True)
    upstream = torch.randn(2, 9, WIDTH)
    out, (quantized, codes, loss) = bottleneck(z), theirs(z)
    torch.testing.assert_close(out.quantized, quantized)
    assert torch.equal(out.codes[..., 0], codes)
    torch.testing.assert_close(out.loss, loss)
    for find, other in (([z, table.basis], [z, theirs.code_transform.weight]),):
        slopes = torch.autograd.grad((out.quantized * upstream).sum() + out.loss, find)
        expected = torch.autograd.grad((quantized * upstream).sum() + loss, other)
        torch.testing.assert_close(slopes[0], expected[0])
        torch.testing.assert_close(slopes[1][0], expected[1].t())


@pytest.mark.parametrize("name", ["rotation", "diveq"])
def test_gradients_past_the_assignment(name: str) -> None:
    call = {
        "rotation": lambda z, q: inner.rotate_to(z, q),
        "diveq": lambda z, q: inner.directional_reparam(z, q, 0.1),
    }[name]
    z, q = torch.randn(2, 2, 9, WIDTH, requires_grad=True).unbind()
    upstream = torch.randn(2, 9, WIDTH)
    results = []
    for function in (lambda z, q: gradients.GRADIENTS[name](z, q, 0.1), call):
        torch.manual_seed(3)
        value = function(z, q)
        total = (value * upstream).sum()
        slopes = torch.autograd.grad(total, (z, q), allow_unused=True)
        if name == "rotation":  # theirs scales by |q|, of which there is no gradient
            slopes = slopes[:1]
        results.append([value, *slopes])
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("squash", ["tanh", "sigmoid"])
def test_finite_scalar_quantization(make: Make, squash: str) -> None:
    bottleneck = make(width=3, kind="fsq", levels="4,3,5", num_codes=60, squash=squash)
    for layer in (bottleneck.to_numbers, bottleneck.from_numbers):
        layer.weight.data.copy_(torch.eye(3))
    theirs = vqp.FSQ([4, 3, 5])
    z = 2 * torch.randn(2, 50, 3, requires_grad=True)
    upstream = torch.randn(2, 50, 3)
    scale = 0.8 if squash == "sigmoid" else 1.0  # theirs has no iFSQ
    out, (quantized, codes) = bottleneck(z), theirs(scale * z)
    torch.testing.assert_close(out.quantized, quantized)
    assert torch.equal(out.codes[..., 0], codes.long())
    own_gradient, expected = (
        torch.autograd.grad((q * upstream).sum(), z)[0]
        for q in (out.quantized, quantized)
    )
    torch.testing.assert_close(own_gradient, expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_lookup_free_quantization(make: Make, metric: str) -> None:
    options = {"temperature": 2.0, "entropy_weight": 0.3, "diversity": 0.7}
    bottleneck = make(
        width=4, kind="lfq", num_codes=16, commitment=BETA, metric=metric, **options
    )
    for layer in (bottleneck.to_numbers, bottleneck.from_numbers):
        layer.weight.data.copy_(torch.eye(4))
    theirs = vqp.LFQ(
        codebook_size=16,
        dim=4,
        entropy_loss_weight=0.3,
        diversity_gamma=0.7,
        commitment_loss_weight=BETA,
        spherical=metric == "cosine",
    )
    z = torch.randn(2, 50, 4, requires_grad=True)
    upstream = torch.randn(2, 50, 4)
    out = bottleneck(z)
    quantized, codes, loss = theirs(z, inv_temperature=0.5)
    torch.testing.assert_close(out.quantized, quantized)
    mirrored = (codes.unsqueeze(-1) >> torch.arange(4)) & 1  # highest bit first
    assert torch.equal(out.codes[..., 0], (mirrored << torch.arange(3, -1, -1)).sum(-1))
    torch.testing.assert_close(out.loss, loss)
    own_gradient, expected = (
        torch.autograd.grad((q * upstream).sum() + own, z)[0]
        for q, own in ((out.quantized, out.loss), (quantized, loss))
    )
    torch.testing.assert_close(own_gradient, expected, rtol=1e-4, atol=1e-5)
