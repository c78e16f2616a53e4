"""How the decoder's gradient gets past a hard assignment."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vq_nat.bottleneck import Bottleneck, gradients

Make = Callable[..., Bottleneck]


def pair(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Vectors with a gradient and their codes, (2, 5, 4)."""
    return torch.randn(2, 5, 4, requires_grad=True), scale * torch.randn(2, 5, 4)


def gradient(output: Tensor, upstream: Tensor, *inputs: Tensor) -> list[Tensor]:
    """The gradients of a sum weighted by `upstream`."""
    return list(torch.autograd.grad((output * upstream).sum(), inputs))


def rotation(start: Tensor, goal: Tensor) -> Tensor:
    """The paper's R (D, D), which turns `start` into the direction of `goal`."""
    e, q = start / start.norm(), goal / goal.norm()
    r = (e + q) / (e + q).norm()
    return torch.eye(len(e)) - 2 * torch.outer(r, r) + 2 * torch.outer(q, e)


@pytest.mark.parametrize("name", ["straight", "rotation"])
def test_the_value_is_the_code_exactly(name: str) -> None:
    z, q = pair()
    assert torch.equal(gradients.GRADIENTS[name](1e4 * z, q, 0.0), q)


def test_rotation_is_the_papers_matrix() -> None:
    z, q = pair(scale=3.0)
    upstream = torch.randn(2, 5, 4)
    (at_z,) = gradient(gradients.rotate(z, q), upstream, z)
    for index in range(10):
        one, code, up = (t.detach().view(10, 4)[index] for t in (z, q, upstream))
        matrix = code.norm() / one.norm() * rotation(one, code)
        torch.testing.assert_close(matrix @ one, code)
        torch.testing.assert_close(at_z.view(10, 4)[index], matrix.t() @ up)


def test_rotation_keeps_the_angle_between_gradient_and_vector() -> None:
    z, q = pair(scale=0.5)
    upstream = torch.randn(2, 5, 4)
    (at_z,) = gradient(gradients.rotate(z, q), upstream, z)
    angle = torch.cosine_similarity(at_z, z, dim=-1)
    torch.testing.assert_close(angle, torch.cosine_similarity(upstream, q, dim=-1))


def test_vectors_at_zero_or_opposite_to_their_code_stay_finite() -> None:
    z = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    for name, pass_on in gradients.GRADIENTS.items():
        (at_z,) = gradient(pass_on(z, q, 0.0), torch.ones(3, 2), z)
        assert at_z.isfinite().all(), name


def test_diveq_moves_as_far_as_the_code_is() -> None:
    z, q = pair()
    out = gradients.add_error(z, q, variance=0.3)
    lengths = (out - z).norm(dim=-1)
    torch.testing.assert_close(lengths, (q - z).norm(dim=-1))
    assert (out - q).norm(dim=-1).min() > 1e-3
    torch.testing.assert_close(gradients.add_error(z, q, variance=0.0), q)


def test_diveq_has_a_gradient_to_vector_and_code() -> None:
    """d z_q = dz + d (q - z)' (dq - dz), d being the direction of the error."""
    z, q = pair()
    q.requires_grad_()
    upstream = torch.randn(2, 5, 4)
    to_z, to_q = gradient(gradients.add_error(z, q, 0.0), upstream, z, q)
    direction = torch.nn.functional.normalize((q - z).detach(), dim=-1)
    along = direction * (direction * upstream).sum(-1, keepdim=True)
    torch.testing.assert_close(to_q, along)
    torch.testing.assert_close(to_z, upstream - along)


@pytest.mark.parametrize("options", [{}, {"slices": 2}, {"slicing": "residual"}])
@pytest.mark.parametrize("name", ["rotation", "diveq"])
def test_the_bottleneck_passes_gradients_by_its_option(
    make: Make, name: str, options: dict
) -> None:
    bottleneck = make(assign="hard", gradient=name, gradient_noise=0.0, **options)
    z_e = torch.randn(2, 5, 8, requires_grad=True)
    out = bottleneck(z_e)
    torch.testing.assert_close(out.quantized, bottleneck.lookup(out.codes))
    upstream = torch.randn(2, 5, 8)
    (at_z,) = gradient(out.quantized, upstream, z_e)
    parts = 2 if options.get("slices") else 1
    sliced = [t.unflatten(-1, (parts, -1)) for t in (z_e, out.quantized.detach())]
    expected = gradients.GRADIENTS[name](*sliced, 0.0).flatten(-2)
    torch.testing.assert_close(at_z, gradient(expected, upstream, z_e)[0])
    assert not torch.allclose(at_z, upstream)


@pytest.mark.parametrize("name", ["straight", "rotation", "diveq"])
def test_evaluation_passes_straight_through(make: Make, name: str) -> None:
    bottleneck = make(assign="hard", gradient=name, gradient_noise=1.0).eval()
    z_e = torch.randn(2, 5, 8, requires_grad=True)
    out = bottleneck(z_e)
    assert torch.equal(out.quantized, bottleneck.lookup(out.codes))
    (at_z,) = gradient(out.quantized, torch.ones(2, 5, 8), z_e)
    assert torch.equal(at_z, torch.ones(2, 5, 8))


@pytest.mark.parametrize("update", ["gradient", "linear"])
def test_with_diveq_codes_learn_from_the_decoder_alone(make: Make, update: str) -> None:
    bottleneck = make(assign="hard", gradient="diveq", update=update, commitment=0.5)
    learned = next(bottleneck.table.parameters())
    z_e = torch.randn(2, 5, 8)
    out = bottleneck(z_e)
    error = (z_e - bottleneck.lookup(out.codes)).square().mean()
    torch.testing.assert_close(out.loss, 0.5 * error.detach())
    assert not out.loss.requires_grad  # nothing of it reaches a code
    (at_codes,) = gradient(out.quantized, torch.randn(2, 5, 8), learned)
    assert at_codes.abs().sum() > 0
