"""Owns how the decoder's gradient gets past the choice of a code.

Each function returns what the decoder sees of vectors z and the codes q that were
chosen for them, and its derivative is what z (and q) learn by. G slices, N vectors, D
code width; all tensors are (G, N, D).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Keeps lengths that are divided by from being 0.
_SHORTEST = 1e-6


def straight_through(z: Tensor, quantized: Tensor) -> Tensor:
    """Has the value of `quantized`, exactly, and hands its gradient to `z` unchanged.

    z + sg(z_q - z) means the same, but rounds where z is much larger than z_q. Bengio
    et al., "Estimating or Propagating Gradients", https://arxiv.org/abs/1308.3432.
    """
    return quantized.detach() + (z - z.detach())


def rotate(z: Tensor, quantized: Tensor, variance: float = 0.0) -> Tensor:
    """Has the value of `quantized`, as z that was rotated and rescaled onto it.

    q~ = sg(|q| / |z| R) z, with R = I - 2 r r' + 2 q^ z^' that turns z^ = z / |z| into
    q^ = q / |q|, and r = (z^ + q^) / |z^ + q^|. So a gradient keeps its angle to the
    vector, and vectors of one code get different ones. Fifty et al., "Restructuring
    Vector Quantization with the Rotation Trick", https://arxiv.org/abs/2410.06424,
    sections 4.2 and 4.3.
    """
    start, end = z.detach(), quantized.detach()
    length = start.norm(dim=-1, keepdim=True).clamp(min=_SHORTEST)
    goal = end.norm(dim=-1, keepdim=True)
    start, end = start / length, end / goal.clamp(min=_SHORTEST)
    middle = F.normalize(start + end, dim=-1, eps=_SHORTEST)
    mirrored = 2 * middle * (middle * z).sum(-1, keepdim=True)
    turned = 2 * end * (start * z).sum(-1, keepdim=True)
    return straight_through((z - mirrored + turned) * (goal / length), quantized)


def add_error(z: Tensor, quantized: Tensor, variance: float) -> Tensor:
    """Adds an error to z that is as long as q - z, and nearly of its direction.

    z_q = z + |q - z| sg(v / |v|),  v = q - z + noise of the variance; so it is not
    quite a code, and both z and q get a gradient: codes that are parameters learn by
    the decoder's loss alone. Vali et al., "DiVeQ: Differentiable Vector Quantization
    Using the Reparameterization Trick", https://arxiv.org/abs/2509.26469.
    """
    error = quantized - z
    noisy = error + variance**0.5 * torch.randn_like(error)
    direction = F.normalize(noisy, dim=-1, eps=_SHORTEST).detach()
    return z + direction * error.norm(dim=-1, keepdim=True)


def pass_on(z: Tensor, quantized: Tensor, variance: float = 0.0) -> Tensor:
    """Is `straight_through`, as one of these options."""
    return straight_through(z, quantized)


STRAIGHT = "straight"
Gradient = Callable[[Tensor, Tensor, float], Tensor]
GRADIENTS: dict[str, Gradient] = {
    STRAIGHT: pass_on,
    "rotation": rotate,
    "diveq": add_error,
}
