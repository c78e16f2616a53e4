"""Priors over the grid of codes: the uniform one, and one that is learned.

Letters: B images, h × w the grid, L = h · w its positions in raster order, G slices,
K codes per slice, C width.
"""

import math
from argparse import Namespace
from collections.abc import Callable
from typing import Any, NamedTuple, Optional, Protocol

import torch
import torch.nn.functional as F
from fairseq.models import (
    BaseFairseqModel,
    register_model,
    register_model_architecture,
)
from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from ..nn.dropout import Dropout
from ..nn.transformer import KeyValueBuffer, TransformerStack
from .prior_config import PRESETS, CodePriorConfig

SIZES = (
    *("decoder_embed_dim", "decoder_ffn_embed_dim"),
    *("decoder_attention_heads", "decoder_layers"),
)

Choose = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, K) and noise (B,) in (0, 1] → codes (B,)."""


class CodeGrid(NamedTuple):
    """The shape of the codes of an image."""

    height: int
    width: int
    slices: int  # G
    codes: int  # K

    @property
    def length(self) -> int:
        """Positions, L."""
        return self.height * self.width


class Prior(Protocol):
    """A distribution over grids of codes."""

    grid: CodeGrid

    def log_prob(self, codes: Tensor) -> Tensor:
        """Computes log p in nats, float32. Shape: (B, L, G) → (B,)."""

    def draw(self, noise: Tensor, choose: Choose) -> Tensor:
        """Draws codes one after the other. Shape: (B, L, G) → (B, L, G)."""


class UniformPrior:
    """Every code is as probable as any other: log2 K bits each.

    Args:
        grid: the shape of the codes.
    """

    def __init__(self, grid: CodeGrid) -> None:
        self.grid = grid

    def log_prob(self, codes: Tensor) -> Tensor:
        """Computes log p = -L · G · log K in nats. Shape: (B, L, G) → (B,)."""
        symbols = self.grid.length * self.grid.slices
        nats = -symbols * math.log(self.grid.codes)
        return torch.full((len(codes),), nats, device=codes.device)

    def draw(self, noise: Tensor, choose: Choose) -> Tensor:
        """Draws codes. Shape: (B, L, G) → (B, L, G)."""
        logits = noise.new_zeros(1, self.grid.codes).expand(noise.numel(), -1)
        return choose(logits, noise.flatten()).view(noise.shape)


class SliceHead(nn.Module):
    """Predicts the slices of a position, each from those before it.

    One network for all slices: u_g = h + s_g + Σ_{g' < g} E_{g'}(z_{g'}), a residual
    feed-forward part, and an output layer for each slice. So a step of the Transformer
    predicts a position, not a slice, and the product of all factors is exact.

    Args:
        grid: the shape of the codes.
        width: C.
        ffn: width of the feed-forward part.
    """

    def __init__(self, grid: CodeGrid, width: int, *, ffn: int) -> None:
        super().__init__()
        self.grid = grid
        self.slice = nn.Parameter(torch.empty(grid.slices, width))
        # The last slice is no condition of another.
        conditions = (grid.slices - 1) * grid.codes
        self.embed = nn.Embedding(conditions, width) if conditions else None
        self.norm = Fp32LayerNorm(width)
        self.fc1 = nn.Linear(width, ffn)
        self.fc2 = nn.Linear(ffn, width)
        self.output_norm = Fp32LayerNorm(width)
        self.weight = nn.Parameter(torch.zeros(grid.slices, grid.codes, width))
        self.bias = nn.Parameter(torch.zeros(grid.slices, grid.codes))
        nn.init.normal_(self.slice, std=0.02)
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, std=width**-0.5)

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Predicts all slices at once. Shape: (…, C), (…, G) → logits (…, G, K)."""
        known = hidden.new_zeros(*codes.shape, hidden.size(-1))
        if self.embed is not None:
            offsets = torch.arange(self.grid.slices - 1, device=codes.device)
            before = codes[..., :-1] + offsets * self.grid.codes
            known[..., 1:, :] = self.embed(before).cumsum(dim=-2)
        x = self._hidden(hidden.unsqueeze(-2) + known + self.slice)
        return torch.einsum("...gc,gkc->...gk", x, self.weight) + self.bias

    def step(self, hidden: Tensor, index: int) -> Tensor:
        """Predicts slice `index`. Shape: (B, C) → logits (B, K).

        Args:
            hidden: of the position, slices before this one added by `add`.
            index: of the slice.
        """
        x = self._hidden(hidden + self.slice[index])
        return F.linear(x, self.weight[index], self.bias[index])

    def add(self, hidden: Tensor, index: int, codes: Tensor) -> Tensor:
        """Adds the codes (B,) of slice `index` to what is known. Shape: (B, C)."""
        if self.embed is None or index == self.grid.slices - 1:
            return hidden
        return hidden + self.embed(codes + index * self.grid.codes)

    def _hidden(self, x: Tensor) -> Tensor:
        return self.output_norm(x + self.fc2(F.relu(self.fc1(self.norm(x)))))


@register_model("code_prior", dataclass=CodePriorConfig)
class CodePrior(BaseFairseqModel):
    """A causal Transformer over the codes of an image in raster order.

    p(z) = Π_l Π_g p(z_{l,g} | z_{<l}, z_{l,<g}). A position's input is the codes of the
    position before it, all slices summed, and its own row and column. It starts as the
    uniform distribution, which is the one to beat.

    Args:
        cfg: options.
        grid: the shape of the codes.
        fingerprint: of the autoencoder whose codes these are, 64 hexadecimal digits.

    Raises:
        ValueError: if an option is out of its range.
    """

    def __init__(self, cfg: Any, grid: CodeGrid, fingerprint: str = "0" * 64) -> None:
        super().__init__()
        check(cfg)
        width, ffn = cfg.decoder_embed_dim, cfg.decoder_ffn_embed_dim
        self.grid, self.fingerprint = grid, fingerprint
        self.embed = nn.Embedding(grid.slices * grid.codes, width)
        self.begin = nn.Parameter(torch.empty(width))
        self.rows = nn.Parameter(torch.empty(grid.height, 1, width))
        self.columns = nn.Parameter(torch.empty(1, grid.width, width))
        self.dropout = Dropout(cfg.dropout)
        self.layers = TransformerStack(
            count=cfg.decoder_layers,
            width=width,
            heads=cfg.decoder_attention_heads,
            ffn=ffn,
            dropout=cfg.dropout,
            source=False,
        )
        self.head = SliceHead(grid, width, ffn=ffn)
        for parameter in (self.embed.weight, self.begin, self.rows, self.columns):
            nn.init.normal_(parameter, std=width**-0.5)

    @classmethod
    def build_model(cls, cfg: Any, task: Any) -> "CodePrior":
        """Builds a prior for the codes of the task's autoencoder."""
        # fairseq hands over a Namespace or omegaconf's copy, which has no properties.
        cfg = CodePriorConfig.from_namespace(cfg)
        return cls(cfg, task.grid, task.fingerprint)

    @property
    def positions(self) -> Tensor:
        """Row and column of every position. Shape: (L, C)."""
        return (self.rows + self.columns).flatten(0, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Predicts every code from those before it. Shape: (B, L, G) → (B, L, G, K)."""
        begin = self.begin.expand(len(codes), 1, -1)
        x = torch.cat([begin, self._embed(codes[:, :-1])], dim=1)
        x = self.dropout(x + self.positions)
        for layer in self.layers:
            x = layer(x, causal=True)
        return self.head(x, codes)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Computes log p in nats, float32 or better. Shape: (B, L, G) → (B,)."""
        return log_prob_of(codes, self(codes))

    @torch.no_grad()
    def draw(self, noise: Tensor, choose: Choose) -> Tensor:
        """Draws codes, with keys and values of the past kept.

        Args:
            noise: one number in (0, 1] for each code. Shape: (B, L, G).
            choose: turns logits and noise into codes.

        Returns:
            Codes. Shape: (B, L, G).
        """
        past = [KeyValueBuffer(self.grid.length) for _ in self.layers]
        codes: list[Tensor] = []
        for position in range(self.grid.length):
            hidden = self.step(codes[-1] if codes else None, past, len(noise))
            codes.append(self._draw_slices(hidden, noise[:, position], choose))
        return torch.stack(codes, dim=1)

    def step(
        self, previous: Optional[Tensor], past: list[KeyValueBuffer], batch: int
    ) -> Tensor:
        """Runs one position.

        Args:
            previous: codes of the position before, (B, G); None at the first.
            past: of each layer; this position is added to it.
            batch: B.

        Returns:
            What the head predicts the position from. Shape: (B, C).
        """
        position = past[0].filled
        if previous is None:
            x = self.begin.expand(batch, 1, -1)
        else:
            x = self._embed(previous.unsqueeze(1))
        x = x + self.positions[position]
        for layer, before in zip(self.layers, past):
            x, _ = layer.step(x, before)
        return x.squeeze(1)

    def get_extra_state(self) -> Tensor:
        """The autoencoder's fingerprint, for the checkpoint."""
        return torch.tensor(list(bytes.fromhex(self.fingerprint)), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Refuses weights that were trained on the codes of another autoencoder.

        Raises:
            ValueError: if the fingerprints differ.
        """
        trained_on = bytes(state.tolist()).hex()
        if trained_on != self.fingerprint:
            raise ValueError(
                "the prior must be of the codes of the autoencoder "
                f"{self.fingerprint[:12]}, but was trained on those of "
                f"{trained_on[:12]} instead."
            )

    def _embed(self, codes: Tensor) -> Tensor:
        """Embeds codes, slices summed. Shape: (B, L, G) → (B, L, C)."""
        offsets = torch.arange(self.grid.slices, device=codes.device) * self.grid.codes
        return self.embed(codes + offsets).sum(dim=-2)

    def _draw_slices(self, hidden: Tensor, noise: Tensor, choose: Choose) -> Tensor:
        """Draws a position. Shape: (B, C), (B, G) → (B, G)."""
        codes = []
        for index in range(self.grid.slices):
            chosen = choose(self.head.step(hidden, index), noise[:, index])
            hidden = self.head.add(hidden, index, chosen)
            codes.append(chosen)
        return torch.stack(codes, dim=-1)


def check(cfg: Any) -> None:
    """Refuses options that cannot work.

    Raises:
        ValueError: naming the option.
    """
    for name in SIZES:
        if getattr(cfg, name) < 1:
            raise ValueError(
                f"`{name}` must be at least 1, but is {getattr(cfg, name)} instead."
            )
    if cfg.decoder_embed_dim % cfg.decoder_attention_heads:
        raise ValueError(
            "`decoder_attention_heads` must divide `decoder_embed_dim` "
            f"({cfg.decoder_embed_dim}), but is {cfg.decoder_attention_heads} instead."
        )
    if not 0 <= cfg.dropout < 1:
        raise ValueError(
            f"`dropout` must be at least 0 and below 1, but is {cfg.dropout} instead."
        )


def log_prob_of(codes: Tensor, logits: Tensor) -> Tensor:
    """Computes log p of grids from the logits of their codes, float32 or better.

    Shape:
        codes (B, L, G), logits (B, L, G, K) → (B,).
    """
    kind = torch.promote_types(logits.dtype, torch.float32)
    log_probs = F.log_softmax(logits, dim=-1, dtype=kind)
    return log_probs.gather(-1, codes.unsqueeze(-1)).flatten(1).sum(dim=1)


def _register_architectures() -> None:
    for name, preset in PRESETS.items():

        def choose(args: Namespace, preset: dict[str, Any] = preset) -> None:
            for option, value in preset.items():
                setattr(args, option, getattr(args, option, value))

        register_model_architecture("code_prior", f"code_prior_{name}")(choose)


_register_architectures()
