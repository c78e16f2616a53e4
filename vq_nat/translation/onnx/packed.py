"""Transformer layers with as few operators as a graph of fixed shape allows.

The same arithmetic as `transformer.TransformerLayer` on the same weights: query, key
and value in one product, and attention in one operator.
"""

from typing import Optional

import torch
from torch import Tensor, nn

from ...nn.transformer import TransformerLayer
from ..layers import ResidualConv
from .operators import attend, attend_cached, reshape

KeyValue = tuple[Tensor, Tensor]  # each (B, H, S, C / H)


class PackedLayer(nn.Module):
    """One layer, of the encoder, the predictor or the decoder.

    Args:
        layer: whose weights are taken.
    """

    def __init__(self, layer: TransformerLayer) -> None:
        super().__init__()
        attention, cross = layer.self_attn, layer.encoder_attn
        self.heads, self.width = attention.heads, attention.q_proj.in_features
        self.norm = plain_norm(layer.self_attn_layer_norm)
        self.joint = joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = attention.out_proj
        if cross is not None and layer.encoder_attn_layer_norm is not None:
            self.cross_norm = plain_norm(layer.encoder_attn_layer_norm)
            self.cross_query, self.cross_out = cross.q_proj, cross.out_proj
        self.last_norm = plain_norm(layer.final_layer_norm)
        self.fc1, self.fc2 = layer.fc1, layer.fc2

    def forward(
        self,
        x: Tensor,
        mask: Optional[Tensor] = None,
        memory: Optional[KeyValue] = None,
        memory_mask: Optional[Tensor] = None,
    ) -> Tensor:
        """Runs the layer over a whole sequence. Shape: (B, T, C) → (B, T, C).

        Args:
            x: (B, T, C).
            mask: (B, T) int32, see `attend`.
            memory: keys and values of the source.
            memory_mask: (B, S) int32.
        """
        attended = attend(*self._project(x), mask, self.heads)
        return self._rest(x + self.out(attended), memory, memory_mask)

    def step(
        self, x: Tensor, past: KeyValue, memory: KeyValue, memory_mask: Tensor
    ) -> tuple[Tensor, KeyValue]:
        """Runs one causal step. Shape: (B, 1, C) → (B, 1, C), and the longer past."""
        attended, *longer = attend_cached(*self._project(x), past, self.heads)
        x = self._rest(x + self.out(attended), memory, memory_mask)
        return x, (longer[0], longer[1])

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.joint(self.norm(x)).split([self.width] * 3, dim=-1)
        return query, key, value

    def _rest(
        self, x: Tensor, memory: Optional[KeyValue], mask: Optional[Tensor]
    ) -> Tensor:
        if memory is not None:
            query = self.cross_query(self.cross_norm(x))
            x = x + self.cross_out(attend(query, *memory, mask, self.heads))
        return x + self.fc2(torch.relu(self.fc1(self.last_norm(x))))


class PackedDoubling(nn.Module):
    """Doubles the length: a linear layer, then a convolution as one product.

    Args:
        doubling: C → 2 · C.
        refinement: the convolution after it.
    """

    def __init__(self, doubling: nn.Linear, refinement: ResidualConv) -> None:
        super().__init__()
        conv = refinement.conv.conv
        self.doubling, self.norm = doubling, plain_norm(refinement.norm)
        self.width = conv.in_channels
        self.last = conv.kernel_size[0] - 1  # neighbours of a position
        weight = conv.weight.detach().transpose(1, 2).flatten(1)  # (C, kernel · C)
        self.conv = nn.Linear(*weight.T.shape)
        self.conv.load_state_dict({"weight": weight, "bias": conv.bias})

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Doubles states and a mask in figures.

        Shape: (B, T, C), (B, T, 1) → (B, 2 · T, C), (B, 2 · T, 1).
        """
        x = reshape(self.doubling(x), 0, -1, self.width)
        mask = reshape(torch.cat([mask, mask], dim=2), 0, -1, 1)
        sides = (0, 0, self.last // 2, self.last // 2)
        padded = nn.functional.pad(self.norm(x) * mask, sides)
        shifted = [padded[:, i : i - self.last or None] for i in range(self.last + 1)]
        return x + torch.relu(self.conv(torch.cat(shifted, dim=-1))), mask


def plain_norm(norm: nn.LayerNorm) -> nn.LayerNorm:
    """Returns the same normalisation without the casts that training needs."""
    plain = nn.LayerNorm(norm.normalized_shape, norm.eps)
    plain.load_state_dict(norm.state_dict())
    return plain


def joined(layers: list[nn.Linear]) -> nn.Linear:
    """Returns one linear layer that computes several, their outputs side by side."""
    layer = nn.Linear(layers[0].in_features, sum(x.out_features for x in layers))
    layer.weight = nn.Parameter(torch.cat([x.weight.detach() for x in layers]))
    layer.bias = nn.Parameter(torch.cat([x.bias.detach() for x in layers]))
    return layer
