"""Stage 3: source → codes, one after the other, until their end."""

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from fairseq.modules import Fp32LayerNorm
from torch import Tensor, nn

from ..nn.dropout import Dropout
from ..nn.transformer import KeyValues, TransformerStack, mask_or_none
from ..registry import Registry
from .config import TRANSFORMER, TransformerSize
from .flow import EncodedSource, normalise_codes
from .layers import Positions


class PredictorState(NamedTuple):
    """What one step hands to the next."""

    past: Optional[list[KeyValues]]  # per layer, self-attention; None before step 0
    source: list[KeyValues]  # per layer, computed once per sentence
    source_mask: Optional[Tensor]  # (B, S); None = all of it is real
    position: int
    size: int  # B

    def take(self, rows: Tensor, source: bool) -> "PredictorState":
        """Takes rows of the batch, in any order and number.

        Args:
            rows: (R,).
            source: False = row r of the result has the source that row r has now, as
                when the hypotheses of a beam change places.
        """
        past = None if self.past is None else [kv.take(rows) for kv in self.past]
        if not source:
            return self._replace(past=past, size=len(rows))
        memories = [kv.take(rows) for kv in self.source]
        mask = None if self.source_mask is None else self.source_mask[rows]
        return PredictorState(past, memories, mask, self.position, len(rows))


class CausalPredictor(nn.Module):
    """A causal Transformer over codes that attends to the source.

    p(z | x) = Π_l Π_g p(z_{l,g} | z_{<l}, x), with symbol K = end of codes in slice 0.
    In training every step is computed at once under a causal mask (`forward`); in
    decoding one at a time with the keys and values of the past kept (`start`, `step`).
    Both give the same numbers. Members say how codes are embedded and scored.

    Args:
        size: widths of the stage.
        layers: number of layers.
        slices: G.
        codes: K.
        max_latents: longest sequence of codes.
        stride: words from one code to the next, as the positions count them.
    """

    begin: Tensor  # (C,), what stands before the first code

    def __init__(
        self,
        size: TransformerSize,
        *,
        layers: int,
        slices: int,
        codes: int,
        max_latents: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.slices, self.codes, self.max_latents = slices, codes, max_latents
        self.positions = Positions(
            size.width, max_length=max_latents + 1, stride=stride
        )
        self.dropout = Dropout(size.dropout)
        self.layers = TransformerStack(count=layers, **size.layer._asdict())
        self.layer_norm = Fp32LayerNorm(size.width)

    @property
    def end(self) -> int:
        """The end-of-codes symbol."""
        return self.codes

    def embed(self, codes: Tensor) -> Tensor:
        """Embeds codes. Shape: (B, L, G) → (B, L, C)."""
        raise NotImplementedError

    def score(self, states: Tensor) -> Tensor:
        """Scores the codes. Shape: (B, L, C) → logits (B, L, G, …)."""
        raise NotImplementedError

    def log_probs(self, logits: Tensor) -> Tensor:
        """Normalises code logits in float32. Shape: (…, G, …) → (…, G, K + 1)."""
        raise NotImplementedError

    def forward(self, codes: Tensor, source: EncodedSource) -> Tensor:
        """Predicts every code from the ones before it (teacher forcing).

        Args:
            codes: (B, L, G).
            source: the encoded source.

        Returns:
            Logits of codes 1 … L and of what follows: (B, L + 1, G, …).
        """
        begin = self.begin.expand(codes.size(0), 1, -1)
        x = torch.cat([begin, self.embed(codes)], dim=1)
        x = self.dropout(x + self.positions(x.size(1)))
        for layer, memory in zip(
            self.layers, self.layers.project_source(source.states)
        ):
            x = layer(x, source=memory, source_mask=source.mask, causal=True)
        return self._logits(x)

    def start(self, source: EncodedSource) -> PredictorState:
        """Prepares decoding: keys and values of the source, once per sentence."""
        memories = self.layers.project_source(source.states)
        return PredictorState(
            None, memories, mask_or_none(source.mask), 0, len(source.mask)
        )

    def step(
        self, state: PredictorState, previous: Optional[Tensor]
    ) -> tuple[Tensor, PredictorState]:
        """Predicts one more code.

        Args:
            state: from `start` or the step before.
            previous: (B, G), the codes of the step before; None at step 0.

        Returns:
            Logits (B, G, …) and the state for the next step.
        """
        if previous is None:
            x = self.begin.expand(state.size, 1, -1)
        else:
            x = self.embed(previous.unsqueeze(1))
        x = x + self.positions(1, start=state.position)
        past = []
        for index, layer in enumerate(self.layers):
            before = None if state.past is None else state.past[index]
            x, memory = layer.step(x, before, state.source[index], state.source_mask)
            past.append(memory)
        state = state._replace(past=past, position=state.position + 1)
        return self._logits(x).squeeze(1), state

    def _logits(self, x: Tensor) -> Tensor:
        return self.score(self.layer_norm(x))


# Classes for learned codes, by `--latent-predictor`. One is built and called as
# `LatentPredictor` is, and does all that `CausalPredictor` does.
PREDICTORS: Registry[type[CausalPredictor]] = Registry(
    "latent_predictor", "vq_nat.predictors"
)
register_predictor = PREDICTORS.register


@register_predictor(TRANSFORMER)
class LatentPredictor(CausalPredictor):
    """Predicts learned codes, with embeddings and an output of its own.

    Args:
        size: widths of the stage.
        layers: number of layers.
        slices: G.
        codes: K.
        max_latents: longest sequence of codes.
    """

    def __init__(
        self,
        size: TransformerSize,
        *,
        layers: int,
        slices: int,
        codes: int,
        max_latents: int,
    ) -> None:
        embed_codes = nn.Embedding(slices * codes, size.width)  # first: seeds stay good
        super().__init__(
            size, layers=layers, slices=slices, codes=codes, max_latents=max_latents
        )
        self.embed_codes = embed_codes
        self.begin = nn.Parameter(torch.empty(size.width))
        self.output = nn.Linear(size.width, slices * (codes + 1))
        nn.init.normal_(self.embed_codes.weight, std=1.0)
        nn.init.normal_(self.begin, std=1.0)
        nn.init.normal_(self.output.weight, std=size.width**-0.5)
        nn.init.zeros_(self.output.bias)

    def embed(self, codes: Tensor) -> Tensor:
        """Embeds codes, slices summed. Shape: (B, L, G) → (B, L, C)."""
        if self.slices == 1:
            return self.embed_codes(codes.squeeze(2))
        offsets = torch.arange(self.slices, device=codes.device) * self.codes
        return self.embed_codes(codes + offsets).sum(dim=2)

    def score(self, states: Tensor) -> Tensor:
        """Scores the codes. Shape: (B, L, C) → (B, L, G, K + 1)."""
        logits = self.output(states)
        return logits.unflatten(-1, (self.slices, self.codes + 1))

    def log_probs(self, logits: Tensor) -> Tensor:
        """Normalises code logits in float32. Shape: (…, G, K + 1)."""
        return normalise_codes(logits)


class WordPredictor(CausalPredictor):
    """Predicts every k-th word: an autoregressive decoder that takes k words a step.

    The codes are words, K = V and G = 1, embedded and scored as the model's words are.
    The end of sentence is the code of the last chunk, and so the end of codes: it
    stands in column K of `log_probs`, and never in its own. Begin, positions and scale
    are those of an autoregressive decoder that skips words, which it may start from.

    Args:
        size: widths of the stage.
        layers: number of layers.
        words: the model's embeddings, which stay its own.
        chunk: k.
        max_latents: longest sequence of codes.
        eos: end of sentence.
        never: symbols that are no words.
    """

    def __init__(
        self,
        size: TransformerSize,
        *,
        layers: int,
        words: nn.Embedding,
        chunk: int,
        max_latents: int,
        eos: int,
        never: list[int],
    ) -> None:
        vocabulary = words.num_embeddings
        super().__init__(
            size,
            layers=layers,
            slices=1,
            codes=vocabulary,
            max_latents=max_latents,
            stride=chunk,
        )
        self.tied = (words,)  # a tuple: not a module of this stage as well
        self.scale = size.width**0.5
        self.last_code, self.never = eos, never

    @property
    def begin(self) -> Tensor:  # type: ignore[override]
        """The end of sentence, as fairseq begins a sentence. Shape: (C,)."""
        return self.tied[0].weight[self.last_code] * self.scale

    def embed(self, codes: Tensor) -> Tensor:
        """Embeds words. Shape: (B, L, 1) → (B, L, C)."""
        return self.tied[0](codes.squeeze(2)) * self.scale

    def score(self, states: Tensor) -> Tensor:
        """Scores the vocabulary. Shape: (B, L, C) → (B, L, 1, V)."""
        return F.linear(states, self.tied[0].weight).unsqueeze(-2)

    def log_probs(self, logits: Tensor) -> Tensor:
        """Normalises in float32. Shape: (…, 1, V) → (…, 1, V + 1), the end behind."""
        words = torch.log_softmax(logits.float(), dim=-1)
        log_probs = torch.cat([words, words[..., self.last_code, None]], dim=-1)
        log_probs[..., [self.last_code, *self.never]] = -float("inf")
        return log_probs


def soft_targets(weights: Tensor, mask: Tensor, end: int) -> Tensor:
    """Appends the end of codes to the codes' soft targets.

    Args:
        weights: (B, L, G, K), the average of the M one-hots; a target, never a path for
            gradients.
        mask: (B, L).
        end: the end-of-codes symbol, of slice 0.

    Returns:
        (B, L + 1, G, K + 1), zero rows where nothing is to be predicted: a sequence of
        padding alone has no end either.
    """
    batch, length, slices, codes = weights.shape
    targets = weights.new_zeros(batch, length + 1, slices, codes + 1)
    targets[:, :-1, :, :-1] = weights.detach() * mask[:, :, None, None]
    rows, lengths = torch.arange(batch, device=mask.device), mask.sum(dim=1)
    targets[rows, lengths, 0, end] = lengths.gt(0).to(targets.dtype)
    return targets
