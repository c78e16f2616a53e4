"""The three fixed graphs of decoding: encode, one step of the predictor, decode.

They compute the same as the model, on plain tensors and without branches in Python, so
that they can be written to ONNX. Keys and values of the source are computed once, in
the first graph, for every layer that attends to it.

Shapes: N layers that attend to the source, the predictor's first; H heads; P steps of
codes so far. Keys and values are tensors (B, H, S, C / H); in a list, those of each
layer follow each other.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..flow import normalise_codes
from ..layers import ResidualConv
from ..model import VQEMTransformer
from ..predictor import LatentPredictor
from .operators import reshape
from .packed import KeyValue, PackedDoubling, PackedLayer, joined, plain_norm


class Graph(NamedTuple):
    """A module, an example of its inputs, and what may change its size."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    axes: dict[str, dict[int, str]]


class EncodeGraph(nn.Module):
    """Source words → keys and values of the source, for every layer after it."""

    def __init__(self, model: VQEMTransformer) -> None:
        super().__init__()
        self.pad, self.embed = model.pad, scaled_embedding(model)
        self.positions = model.encoder.positions
        self.layers = nn.ModuleList(map(PackedLayer, model.encoder.layers))
        self.norm = plain_norm(model.encoder.layer_norm)
        after = [*model.predictor.layers, *model.decoder.layers]
        attentions = [layer.encoder_attn for layer in after]
        self.project = joined([p for a in attentions for p in (a.k_proj, a.v_proj)])
        self.count, self.heads = len(after), model.cfg.size.heads

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape: (B, S), left-aligned → (B, 2 · N · H, S, C / H)."""
        mask, x = numbers(tokens.ne(self.pad)), self.embed(tokens)
        x = x + self.positions(x.size(1))
        for layer in self.layers:
            x = layer(x, mask)
        heads = 2 * self.heads * self.count
        size = self.project.out_features // heads
        return reshape(self.project(self.norm(x)), 0, 0, heads, size).transpose(1, 2)


class StepGraph(nn.Module):
    """The codes of one step → belief in the next, with the past handed in and out."""

    def __init__(self, model: VQEMTransformer) -> None:
        super().__init__()
        predictor = cast(LatentPredictor, model.predictor)  # export refuses others
        self.predictor = predictor
        self.layers = nn.ModuleList(map(PackedLayer, predictor.layers))
        self.norm = plain_norm(predictor.layer_norm)

    def forward(
        self,
        previous: Tensor,
        position: Tensor,
        mask: Tensor,
        past: list[Tensor],
        memory: list[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """Runs one step.

        Args:
            previous: (B, G), anything at position 0.
            position: (1,).
            mask: (B, S), the real words of the source.
            past: keys and values of the codes before, of each layer.
            memory: keys and values of the source, for each layer.

        Returns:
            Log-probabilities (B, G, K + 1), and the past with one position more.
        """
        predictor, real = self.predictor, numbers(mask)
        longer: list[Tensor] = []
        x = predictor.embed(previous.unsqueeze(1))
        x = torch.where(position.eq(0), predictor.begin, x)
        x = x + predictor.positions.table.index_select(0, position)
        for layer, before, source in zip(self.layers, pairs(past), pairs(memory)):
            x, kept = cast(PackedLayer, layer).step(x, before, source, real)
            longer += kept
        shape = (0, predictor.slices, predictor.codes + 1)
        return normalise_codes(reshape(predictor.output(self.norm(x)), *shape)), longer


class DecodeGraph(nn.Module):
    """All codes → logits of all words."""

    def __init__(self, model: VQEMTransformer) -> None:
        super().__init__()
        self.model, self.width = model, model.cfg.size.width
        self.vectors, self.embed = code_embedding(model), scaled_embedding(model)
        offsets = torch.arange(model.predictor.slices) * model.predictor.codes
        self.register_buffer("offsets", offsets)
        self.offsets: Tensor
        decoder = model.decoder
        each = zip(decoder.doublings, decoder.refinements)
        self.doublings = nn.ModuleList(
            PackedDoubling(cast(nn.Linear, double), cast(ResidualConv, refine))
            for double, refine in each
        )
        self.layers = nn.ModuleList(map(PackedLayer, decoder.layers))
        self.norm = plain_norm(decoder.layer_norm)

    def forward(
        self,
        codes: Tensor,
        code_mask: Tensor,
        mask: Tensor,
        words: Tensor,
        shown: Tensor,
        memory: list[Tensor],
    ) -> Tensor:
        """Predicts every word at once.

        Args:
            codes: (B, L, G).
            code_mask: (B, L), the real ones.
            mask: (B, S), the real words of the source.
            words: (B, L · 2^n_c), words already known at some positions.
            shown: (B, L · 2^n_c), these positions.
            memory: keys and values of the source, for each layer.

        Returns:
            (B, L · 2^n_c, V).
        """
        model, source_mask = self.model, numbers(mask)
        real = code_mask.unsqueeze(-1).float()
        x = reshape(self.vectors(codes + self.offsets), 0, 0, self.width) * real
        for doubling in self.doublings:
            x, real = doubling(x, real)
        word_mask = numbers(reshape(real, 0, -1))
        seen = torch.where(shown.unsqueeze(-1), self.embed(words), model.hidden_word)
        x = x + seen + model.decoder.positions(x.size(1))
        for layer, source in zip(self.layers, pairs(memory)):
            x = layer(x, word_mask, source, source_mask)
        return model.project(self.norm(x))


def numbers(mask: Tensor) -> Tensor:
    """Returns a mask as attention takes it: 1 = real."""
    return mask.to(torch.int32)


def pairs(tensors: list[Tensor]) -> list[KeyValue]:
    """Returns keys and values of each layer, two tensors each."""
    return list(zip(tensors[::2], tensors[1::2]))


def scaled_embedding(model: VQEMTransformer) -> nn.Embedding:
    """Returns the embedding of words with its scale in it."""
    weight = model.embed_tokens.weight.detach() * model.cfg.encoder_embed_dim**0.5
    return nn.Embedding.from_pretrained(weight, padding_idx=model.pad)


def code_embedding(model: VQEMTransformer) -> nn.Embedding:
    """Returns what every code of every slice is looked up as. Shape: (G · K, C / G)."""
    slices, codes = model.predictor.slices, model.predictor.codes
    every = torch.arange(codes).view(1, -1, 1).expand(1, codes, slices)
    with torch.no_grad():
        vectors = model.bottleneck.lookup(every)  # (1, K, C)
    table = vectors.view(codes, slices, -1).transpose(0, 1).flatten(0, 1)
    return nn.Embedding.from_pretrained(table)


# -------------------------------------------------------------------- inputs of each


def graphs_of(model: VQEMTransformer) -> dict[str, Graph]:
    """Returns the graphs of a latent model by name.

    The examples have sizes that all differ, and none of them is 1.
    """
    example = Example(model)
    return {
        "encode": example.encode(),
        "step": example.step(),
        "decode": example.decode(),
    }


class Example:
    """Inputs to trace a model's graphs with."""

    batch, source, latents, past = 2, 5, 3, 4

    def __init__(self, model: VQEMTransformer) -> None:
        self.model, self.slices = model, model.predictor.slices
        last = torch.tensor([[self.source], [self.source - 1]])
        self.mask = torch.arange(self.source) < last

    def encode(self) -> Graph:
        """Returns the first graph."""
        pad = self.model.pad
        tokens = torch.full_like(self.mask, pad + 1, dtype=torch.long)
        return Graph(
            EncodeGraph(self.model),
            {"tokens": tokens.masked_fill(~self.mask, pad)},
            ["memory"],
            {
                "tokens": {0: "batch", 1: "source"},
                "memory": {0: "batch", 2: "source"},
            },
        )

    def step(self) -> Graph:
        """Returns the second graph."""
        count = len(self.model.predictor.layers)
        past = self.heads("past", count=count, length=self.past)
        memory = self.heads("memory", count=count, length=self.source)
        longer = [f"longer{i}" for i in range(len(past))]
        return Graph(
            StepGraph(self.model),
            {
                "previous": torch.zeros(self.batch, self.slices, dtype=torch.long),
                "position": torch.tensor([self.past]),
                "mask": self.mask,
                **past,
                **memory,
            },
            ["logp", *longer],
            {
                "previous": {0: "batch"},
                "mask": {0: "batch", 1: "source"},
                **{name: {0: "batch", 2: "past"} for name in past},
                **{name: {0: "batch", 2: "source"} for name in memory},
                **{name: {0: "batch", 2: "longer"} for name in longer},
                "logp": {0: "batch"},
            },
        )

    def decode(self) -> Graph:
        """Returns the third graph."""
        shape = (self.batch, self.latents)
        words = torch.zeros(self.batch, self.latents * self.model.chunk).long()
        count = len(self.model.decoder.layers)
        memory = self.heads("memory", count=count, length=self.source)
        return Graph(
            DecodeGraph(self.model),
            {
                "codes": torch.zeros(*shape, self.slices, dtype=torch.long),
                "code_mask": torch.ones(shape, dtype=torch.bool),
                "mask": self.mask,
                "words": words,
                "shown": words.bool(),
                **memory,
            },
            ["logits"],
            {
                "codes": {0: "batch", 1: "codes"},
                "code_mask": {0: "batch", 1: "codes"},
                "mask": {0: "batch", 1: "source"},
                "words": {0: "batch", 1: "target"},
                "shown": {0: "batch", 1: "target"},
                **{name: {0: "batch", 2: "source"} for name in memory},
                "logits": {0: "batch", 1: "target"},
            },
        )

    def heads(self, name: str, *, count: int, length: int) -> dict[str, Tensor]:
        """Returns keys and values for each layer."""
        size = self.model.cfg.size
        shape = (self.batch, size.heads, length, size.width // size.heads)
        return {f"{name}{i}": torch.zeros(shape) for i in range(2 * count)}
