"""Transformer layers with as few operators as a graph of fixed shape allows.

The same arithmetic as `layers.TransformerLayer` on the same weights: query, key and
value in one product, the attention's scale inside its weights, shapes as constants.
"""

from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..transformer import Attention, TransformerLayer


class _Reshape(torch.autograd.Function):
    """Reshapes to constants, 0 = the size stays; without it, ONNX computes shapes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return x.reshape([x.size(i) if n == 0 else n for i, n in enumerate(shape)])

    @staticmethod
    def symbolic(g: Any, x: Any, shape: tuple[int, ...]) -> Any:
        last = torch.tensor([*shape[:-1], -1])  # the exporter asks for one -1
        return g.op("Reshape", x, g.op("Constant", value_t=last))


def reshape(x: Tensor, *shape: int) -> Tensor:
    """Reshapes; 0 = the size that the tensor has at this place."""
    return _Reshape.apply(x, shape)


def mask_bias(mask: Tensor) -> Tensor:
    """Returns what is added to the scores of S keys. Shape: (B, S) → (B, 1, 1, S)."""
    nothing, never = torch.zeros(1), torch.full((1,), -float("inf"))
    return torch.where(mask, nothing, never).unsqueeze(1).unsqueeze(1)


class PackedLayer(nn.Module):
    """One layer, of the encoder, the predictor or the decoder.

    Keys and values are one tensor (B, 2 · H, S, C / H), the keys first.

    Args:
        layer: whose weights are taken.
        single: the layer sees one position at a time.
    """

    def __init__(self, layer: TransformerLayer, single: bool = False) -> None:
        super().__init__()
        attention, cross = layer.self_attn, layer.encoder_attn
        self.heads, self.single = attention.heads, single
        self.width = attention.q_proj.in_features
        self.norm = plain_norm(layer.self_attn_layer_norm)
        self.joint = joined(
            [scaled_query(attention), attention.k_proj, attention.v_proj]
        )
        self.out = attention.out_proj
        if cross is not None and layer.encoder_attn_layer_norm is not None:
            self.cross_norm = plain_norm(layer.encoder_attn_layer_norm)
            self.cross_query, self.cross_out = scaled_query(cross), cross.out_proj
        self.last_norm = plain_norm(layer.final_layer_norm)
        self.fc1, self.fc2 = layer.fc1, layer.fc2

    def forward(
        self,
        x: Tensor,
        bias: Optional[Tensor] = None,
        past: Optional[Tensor] = None,
        memory: Optional[Tensor] = None,
        memory_bias: Optional[Tensor] = None,
    ) -> tuple[Tensor, Tensor]:
        """Runs the layer.

        Args:
            x: (B, T, C).
            bias: (B, 1, 1, T), see `mask_bias`; None = all positions are real.
            past: (B, 2 · H, P, C / H), in front of this layer's own.
            memory: (B, 2 · H, S, C / H) of the source.
            memory_bias: (B, 1, 1, S).

        Returns:
            (B, T, C), and keys and values (B, 2 · H, P + T, C / H).
        """
        heads = self._split(self.joint(self.norm(x)), 3 * self.heads)
        query, own = heads.split([self.heads, 2 * self.heads], dim=1)
        own = own if past is None else torch.cat([past, own], dim=2)
        x = x + self.out(self._attend(query, own, bias))
        if memory is not None:
            query = self._split(self.cross_query(self.cross_norm(x)), self.heads)
            x = x + self.cross_out(self._attend(query, memory, memory_bias))
        return x + self.fc2(torch.relu(self.fc1(self.last_norm(x)))), own

    def _split(self, x: Tensor, heads: int) -> Tensor:
        size = self.width // self.heads
        if self.single:
            return reshape(x, 0, heads, 1, size)
        return reshape(x, 0, 0, heads, size).transpose(1, 2)

    def _attend(self, query: Tensor, kept: Tensor, bias: Optional[Tensor]) -> Tensor:
        keys, values = kept.split([self.heads, self.heads], dim=1)
        scores = query @ keys.transpose(2, 3)
        scores = scores if bias is None else scores + bias
        attended = scores.softmax(dim=-1) @ values  # (B, H, T, C / H)
        if self.single:
            return reshape(attended, 0, 1, self.width)
        return reshape(attended.transpose(1, 2), 0, 0, self.width)


def plain_norm(norm: nn.LayerNorm) -> nn.LayerNorm:
    """Returns the same normalisation without the casts of training."""
    plain = nn.LayerNorm(norm.normalized_shape, norm.eps)
    plain.load_state_dict(norm.state_dict())
    return plain


def scaled_query(attention: Attention) -> nn.Linear:
    """Returns the query's projection with the scale of the scores in it."""
    width = attention.q_proj.in_features
    return linear(attention.q_proj, (width // attention.heads) ** -0.5)


def linear(layer: nn.Linear, scale: float = 1.0) -> nn.Linear:
    """Returns a linear layer times a number."""
    found = nn.Linear(layer.in_features, layer.out_features)
    found.weight, found.bias = (
        nn.Parameter(p.detach() * scale) for p in (layer.weight, layer.bias)
    )
    return found


def joined(layers: list[nn.Linear]) -> nn.Linear:
    """Returns one linear layer that computes several, their outputs side by side."""
    found = nn.Linear(layers[0].in_features, sum(x.out_features for x in layers))
    found.weight = nn.Parameter(torch.cat([x.weight.detach() for x in layers]))
    found.bias = nn.Parameter(torch.cat([x.bias.detach() for x in layers]))
    return found
