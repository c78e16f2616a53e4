"""Operators of ONNX, each with the same arithmetic in torch.

At batch size 1 a graph spends its time in small operators. Attention needs ten of them
in standard ONNX, and one in ONNX Runtime, whose own operators have the domain
`com.microsoft`.
"""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

MASKED = -1e4  # what is added to the scores of masked keys


class _Reshape(torch.autograd.Function):
    """Reshapes to constants; without it, ONNX computes shapes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return x.reshape([x.size(i) if n == 0 else n for i, n in enumerate(shape)])

    @staticmethod
    def symbolic(g: Any, x: Any, shape: tuple[int, ...]) -> Any:
        # The exporter asks for one -1.
        known = shape if -1 in shape else (*shape[:-1], -1)
        return g.op("Reshape", x, g.op("Constant", value_t=torch.tensor(known)))


def reshape(x: Tensor, *shape: int) -> Tensor:
    """Reshapes; 0 = the size that the tensor has at this place, -1 = what is left."""
    return _Reshape.apply(x, shape)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Optional[Tensor],
        heads: int,
    ) -> Tensor:
        query, key, value = (by_head(x, heads) for x in (query, key, value))
        bias = None if mask is None else MASKED * (1 - mask[:, None, None].float())
        attended = F.scaled_dot_product_attention(query, key, value, bias)
        return attended.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(
        g: Any, query: Any, key: Any, value: Any, mask: Any, heads: int
    ) -> Any:
        inputs = [query, key, value] + ([] if mask is None else [absent(g), mask])
        options = {"num_heads_i": heads, "mask_filter_value_f": MASKED}
        return g.op("com.microsoft::MultiHeadAttention", *inputs, **options)


class _AttendCached(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        past_key: Tensor,
        past_value: Tensor,
        heads: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = (by_head(x, heads) for x in (query, key, value))
        keys = torch.cat([past_key, key], dim=2)
        values = torch.cat([past_value, value], dim=2)
        attended = F.scaled_dot_product_attention(query, keys, values)
        return attended.transpose(1, 2).flatten(2), keys, values

    @staticmethod
    def symbolic(
        g: Any, query: Any, key: Any, value: Any, past: Any, past_value: Any, heads: int
    ) -> Any:
        none = [absent(g)] * 3  # bias, mask of the keys, bias of the scores
        return g.op(
            "com.microsoft::MultiHeadAttention",
            *(query, key, value, *none, past, past_value),
            num_heads_i=heads,
            outputs=3,
        )


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Optional[Tensor], heads: int
) -> Tensor:
    """Attends with several heads.

    Args:
        query: (B, T, C).
        key: (B, S, C), or with heads in front of positions (B, H, S, C / H).
        value: as the keys.
        mask: (B, S) int32, 1 = real; None = all keys are.
        heads: H.

    Returns:
        (B, T, C).
    """
    return _Attend.apply(query, key, value, mask, heads)


def attend_cached(
    query: Tensor, key: Tensor, value: Tensor, past: tuple[Tensor, Tensor], heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Attends to this position and those before.

    Args:
        query: (B, 1, C).
        key: (B, 1, C).
        value: (B, 1, C).
        past: keys and values of P positions before, each (B, H, P, C / H).
        heads: H.

    Returns:
        (B, 1, C), and keys and values with this position, each (B, H, P + 1, C / H).
    """
    return _AttendCached.apply(query, key, value, *past, heads)


def by_head(x: Tensor, heads: int) -> Tensor:
    """Shape: (B, T, C) → (B, H, T, C / H), where it is not yet."""
    return x if x.dim() == 4 else x.unflatten(-1, (heads, -1)).transpose(1, 2)


def absent(g: Any) -> Any:
    """Returns an input that is left out, as the exporter writes it."""
    none = g.op("prim::Constant")
    none.setType(torch._C.OptionalType.ofTensor())
    return none
