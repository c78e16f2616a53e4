"""The Transformer that translation and the prior of images share.

Pre-norm layers over (B, T, C), attention through torch's fused kernel, keys and values
of the past handed in and out as plain tensors so that every stage can be exported as a
fixed graph. Parameters carry the names of fairseq's Transformer layers, so that weights
of a fairseq teacher fit without renaming.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from .dropout import Dropout

LEAST_KEYS = 16  # of a softmax that a CPU computes fast


class KeyValues(NamedTuple):
    """Keys and values of one attention, each (B, H, S, C / H)."""

    keys: Tensor
    values: Tensor

    def take(self, rows: Tensor) -> "KeyValues":
        """Takes rows of the batch."""
        return KeyValues(
            self.keys.index_select(0, rows), self.values.index_select(0, rows)
        )

    def append(self, other: "KeyValues") -> "KeyValues":
        """Joins along time: (B, H, S, ·) and (B, H, S', ·) to (B, H, S + S', ·)."""
        return KeyValues(
            torch.cat([self.keys, other.keys], dim=2),
            torch.cat([self.values, other.values], dim=2),
        )


class KeyValueBuffer:
    """Room for the keys and values of all steps, which are filled in place.

    Joining tensors copies all of the past at every step; this copies the new step only.

    Args:
        length: steps there is room for.
    """

    def __init__(self, length: int) -> None:
        self.length, self.filled = length, 0
        self.room: KeyValues | None = None  # of the type of what comes first

    def append(self, other: KeyValues) -> KeyValues:
        """Adds steps, and returns views of all so far. Shape: as `KeyValues`."""
        if self.room is None:
            batch, heads, _, width = other.keys.shape
            shape = (batch, heads, self.length, width)
            self.room = KeyValues(
                other.keys.new_empty(shape), other.values.new_empty(shape)
            )
        start, self.filled = self.filled, self.filled + other.keys.size(2)
        for room, new in zip(self.room, other):
            room[:, :, start : self.filled] = new
        return KeyValues(*(room[:, :, : self.filled] for room in self.room))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cuts vectors into heads. Shape: (B, T, C) → (B, H, T, C / H)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def mask_or_none(mask: Tensor) -> Tensor | None:
    """Returns a mask, or None where all of it is real and that is cheap to know.

    Without a mask attention takes a shorter way. On a GPU the question would wait for
    the device.
    """
    if mask.device.type != "cpu" or torch.is_grad_enabled() or not bool(mask.all()):
        return mask
    return None


def attend_in_products(
    query: Tensor, memory: KeyValues, mask: Tensor | None, causal: bool
) -> Tensor:
    """Computes attention by two products and a softmax, for training on a CPU.

    There torch's fused kernel has a backward pass that takes eight times as long, its
    unfused one goes to float32 and back, and a softmax over fewer than 16 keys takes
    ten times as long as one over 16 (torch 2.13, bfloat16, sentences of 16 words).

    Args:
        query: (B, H, T, C / H).
        memory: keys and values of S positions.
        mask: bool, of a shape that goes with (B, H, T, S), True = may be attended to;
            None = all.
        causal: position t sees keys 0 … t only.

    Returns:
        (B, H, T, C / H).
    """
    if causal:
        past = torch.ones(query.size(2), memory.keys.size(2), dtype=torch.bool).tril()
        mask = past if mask is None else mask & past
    missing = LEAST_KEYS - memory.keys.size(2)
    if missing > 0:
        real = memory.keys.new_ones(memory.keys.size(2), dtype=torch.bool)
        mask = F.pad(real if mask is None else mask, (0, missing))
        memory = KeyValues(*(F.pad(x, (0, 0, 0, missing)) for x in memory))
    scores = query @ memory.keys.transpose(-1, -2) * query.size(-1) ** -0.5
    if mask is not None:
        never = torch.finfo(torch.float32).min
        scores = scores + torch.zeros(mask.shape).masked_fill_(~mask, never)
    return F.softmax(scores, dim=-1).to(memory.values.dtype) @ memory.values


class Joint(nn.Module):
    """Several linear layers of one input as one product.

    The layers' own parameters become views into it, so that nothing is kept twice and
    the names of a checkpoint stay.

    Args:
        layers: with as many inputs and outputs.
    """

    def __init__(self, layers: list[nn.Linear]) -> None:
        super().__init__()
        self.layers = tuple(layers)  # of the model, no children of this
        self._join()
        self.weight: Tensor
        self.bias: Tensor

    def _join(self) -> None:
        for name in ("weight", "bias"):
            parts = [getattr(layer, name) for layer in self.layers]
            together = torch.cat([part.detach() for part in parts])
            self.register_buffer(name, together, persistent=False)
            for part, view in zip(parts, together.chunk(len(parts))):
                part.data = view

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Joint":
        """Joins the layers anew, which have moved and are views no longer."""
        self._join()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Computes all layers. Shape: (…, C) → count × (…, C')."""
        return F.linear(x, self.weight, self.bias).chunk(len(self.layers), dim=-1)


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2.2).

    Args:
        width: C.
        heads: H, must divide C.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"`attention_heads` must divide `width` ({width}), "
                f"but is {heads} instead."
            )
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.joint: Joint | None = None

    def pack(self) -> None:
        """Joins query, key and value into one product, for decoding."""
        self.joint = Joint([self.q_proj, self.k_proj, self.v_proj])

    def _split(self, x: Tensor) -> Tensor:
        return split_heads(x, self.heads)

    def read(self, states: Tensor) -> tuple[Tensor, KeyValues]:
        """Computes query, keys and values of the same states.

        Shape: (B, T, C) → 3 × (B, H, T, C / H).
        """
        if self.joint is None or torch.is_autocast_enabled(states.device.type):
            return self._split(self.q_proj(states)), self.project(states)
        query, keys, values = map(self._split, self.joint(states))
        return query, KeyValues(keys, values)

    def project(self, states: Tensor) -> KeyValues:
        """Computes keys and values. Shape: (B, S, C) → 2 × (B, H, S, C / H)."""
        return KeyValues(
            self._split(self.k_proj(states)), self._split(self.v_proj(states))
        )

    def forward(
        self,
        query: Tensor,
        memory: KeyValues,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attends from `query` to `memory`.

        Args:
            query: (B, T, C).
            memory: keys and values of S positions.
            mask: (B, S) bool, True = may be attended to; None = all.
            causal: position t sees keys 0 … t only.

        Returns:
            (B, T, C).
        """
        return self.attend(self._split(self.q_proj(query)), memory, mask, causal)

    def attend(
        self,
        query: Tensor,
        memory: KeyValues,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Does the same from a query that is projected: (B, H, T, C / H)."""
        mask = None if mask is None else mask[:, None, None, :]
        if query.device.type == "cpu" and torch.is_grad_enabled():
            attended = attend_in_products(query, memory, mask, causal)
        else:
            attended = F.scaled_dot_product_attention(
                query, *memory, attn_mask=mask, is_causal=causal
            )
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """Pre-norm layer: self-attention, attention to the source, feed-forward.

    Args:
        width: C.
        heads: attention heads.
        ffn: width of the feed-forward part.
        dropout: on every residual branch.
        source: whether the layer attends to the source.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        ffn: int,
        dropout: float,
        source: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn_layer_norm = Fp32LayerNorm(width)
        self.self_attn = Attention(width, heads=heads)
        self.encoder_attn_layer_norm = Fp32LayerNorm(width) if source else None
        self.encoder_attn = Attention(width, heads=heads) if source else None
        self.final_layer_norm = Fp32LayerNorm(width)
        self.fc1 = nn.Linear(width, ffn)
        self.fc2 = nn.Linear(ffn, width)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        source: KeyValues | None = None,
        source_mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Runs the layer over a whole sequence. Shape: (B, T, C) → (B, T, C)."""
        query, memory = self.self_attn.read(self.self_attn_layer_norm(x))
        x = x + self.dropout(self.self_attn.attend(query, memory, mask, causal))
        return self._rest(x, source, source_mask)

    def step(
        self,
        x: Tensor,
        past: KeyValues | KeyValueBuffer | None,
        source: KeyValues | None = None,
        source_mask: Tensor | None = None,
    ) -> tuple[Tensor, KeyValues]:
        """Runs one causal step. Shape: (B, 1, C) → (B, 1, C), and the longer past."""
        query, memory = self.self_attn.read(self.self_attn_layer_norm(x))
        memory = memory if past is None else past.append(memory)
        x = x + self.dropout(self.self_attn.attend(query, memory))
        return self._rest(x, source, source_mask), memory

    def project_source(self, states: Tensor) -> KeyValues:
        """Computes keys and values of the source. Shape: (B, S, C), see `KeyValues`."""
        assert self.encoder_attn is not None, "this layer does not attend to a source"
        return self.encoder_attn.project(states)

    def _rest(
        self, x: Tensor, source: KeyValues | None, source_mask: Tensor | None
    ) -> Tensor:
        if self.encoder_attn is not None and self.encoder_attn_layer_norm is not None:
            assert source is not None, "a layer with source attention needs a source"
            normed = self.encoder_attn_layer_norm(x)
            x = x + self.dropout(self.encoder_attn(normed, source, source_mask))
        hidden = F.relu(self.fc1(self.final_layer_norm(x)))
        return x + self.dropout(self.fc2(hidden))


class TransformerStack(nn.ModuleList):
    """`count` equal layers; an iterable of `TransformerLayer`.

    Args:
        count: number of layers.
        width: C.
        heads: attention heads.
        ffn: width of the feed-forward parts.
        dropout: on every residual branch.
        source: whether the layers attend to the source.
    """

    def __init__(
        self,
        *,
        count: int,
        width: int,
        heads: int,
        ffn: int,
        dropout: float,
        source: bool = True,
    ) -> None:
        super().__init__(
            TransformerLayer(
                width=width, heads=heads, ffn=ffn, dropout=dropout, source=source
            )
            for _ in range(count)
        )

        self.joint: list[Joint] = []  # not a module: a list of layers holds layers

    def make_generation_fast_(self, **options: object) -> None:
        """Prepares decoding; fairseq calls it before it translates.

        At batch size 1 a small product costs as much as its call: query, key and value
        become one, and so do the keys and values of the source in all layers.
        """
        for layer in self:
            layer.self_attn.pack()
        memories = [layer.encoder_attn for layer in self if layer.encoder_attn]
        if memories:
            parts = [part for one in memories for part in (one.k_proj, one.v_proj)]
            self.joint = [Joint(parts)]

    def project_source(self, states: Tensor) -> list[KeyValues]:
        """Computes keys and values of the source for each layer, see `KeyValues`."""
        if not self.joint or torch.is_autocast_enabled(states.device.type):
            return [layer.project_source(states) for layer in self]
        heads = [layer.self_attn.heads for layer in self for _ in range(2)]
        parts = [split_heads(x, n) for x, n in zip(self.joint[0](states), heads)]
        return [KeyValues(*pair) for pair in zip(parts[::2], parts[1::2])]

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> "TransformerStack":
        """Moves what is packed along with the layers."""
        super()._apply(fn, recurse)
        for joint in self.joint:
            joint._apply(fn)
        return self

    def __iter__(self) -> Iterator[TransformerLayer]:  # type: ignore[override]
        return super().__iter__()  # type: ignore[return-value]
