"""Owns the search for a teacher's translations: beam search, and sampling.

Beam search gives what fairseq's `SequenceGenerator` gives: a sentence is finished
with its `beam`-th complete hypothesis, none of which is empty, and scores are divided
by the length. It is faster because the encoder's output is neither repeated for the
beams nor reordered between steps, and because no word's probability is computed that is
not looked at. A sentence's longest translation depends on the sentence alone and not on
its batch.

Letters: B sentences still in the search, K hypotheses of each, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 1 << 18  # logits computed at a time on a CPU: a megabyte
MAX_LENGTH_FACTOR, MAX_LENGTH_EXTRA = 2, 20  # a teacher caught in a loop is cut off


class Translation(NamedTuple):
    """One translation: log-probability per subword, and the subwords' indices."""

    score: float
    tokens: list[int]


@dataclass(frozen=True)
class Symbols:
    """Indices that the search must know."""

    pad: int
    eos: int
    unk: int


@dataclass
class State:
    """The sentences still in the search."""

    sentences: Tensor  # (B,), indices into the batch
    tokens: Tensor  # (B * K, steps so far + 1)
    scores: Tensor  # (B, K), sums of log-probabilities
    dead: Tensor  # (B, K), hypotheses that cannot be continued
    cache: dict[str, Any]  # the decoder's


class Search:
    """Searches for the translations of one batch after another.

    Args:
        model: fairseq's encoder-decoder, in evaluation mode.
        symbols: of its target dictionary.
        width: number of hypotheses per sentence.
        temperature: draw words at this temperature; None searches with a beam.
        top: draw from so many most probable words only; 0 means from all.
    """

    def __init__(
        self,
        model: Any,
        symbols: Symbols,
        width: int,
        temperature: float | None = None,
        top: int = 0,
    ) -> None:
        self.model, self.symbols, self.width = model, symbols, width
        self.temperature, self.top = temperature, top
        self.longest = model.max_decoder_positions() - 1
        # Attention over the source then serves all hypotheses of a sentence at once.
        for module in model.decoder.modules():
            if hasattr(module, "set_beam_size"):
                module.set_beam_size(width)

    @torch.inference_mode()
    def __call__(self, sources: list[Tensor], seed: int = 0) -> list[list[Translation]]:
        """Returns the hypotheses of each sentence, the best first.

        Args:
            sources: subword indices of each sentence, end of sentence included.
            seed: of the random numbers, if words are drawn.
        """
        device = next(self.model.parameters()).device
        lengths = torch.tensor([len(row) for row in sources])
        batch = pad_left(sources, self.symbols.pad).to(device)
        encoded = self.model.encoder(batch, src_lengths=lengths.to(device))
        limits = (MAX_LENGTH_FACTOR * lengths + MAX_LENGTH_EXTRA).clamp(
            max=self.longest
        )
        self.generator = torch.Generator(device).manual_seed(seed)
        state = self._start(len(sources), device)
        translations: list[list[Translation]] = [[] for _ in sources]
        while len(state.sentences):
            self._step(state, encoded, limits.to(device), translations)
        return [sorted(of_one, key=lambda one: -one.score) for of_one in translations]

    def _start(self, size: int, device: torch.device) -> State:
        dead = torch.zeros(size, self.width, dtype=torch.bool, device=device)
        scores = torch.zeros(size, self.width, device=device)
        if self.temperature is None:  # all hypotheses are the same: keep one
            scores[:, 1:] = -torch.inf
        return State(
            torch.arange(size, device=device),
            torch.full((size * self.width, 1), self.symbols.eos, device=device),
            scores,
            dead,
            {},
        )

    def _step(
        self,
        state: State,
        encoded: Any,
        limits: Tensor,
        translations: list[list[Translation]],
    ) -> None:
        """Extends every hypothesis by a word, and takes out what is finished."""
        done_words = state.tokens.size(1) - 1
        at_limit = limits[state.sentences] <= done_words  # (B,)
        features, _ = self.model.decoder(
            state.tokens,
            encoder_out=encoded,
            incremental_state=state.cache,
            features_only=True,
        )
        scores, words = self._extensions(features[:, -1], done_words == 0, at_limit)
        scores, words, beams = self._candidates(state, scores, words)
        ended = words.eq(self.symbols.eos) & scores.isfinite()
        # As in fairseq, only an end among the K best candidates counts.
        complete = ended[:, : self.width] & ~state.dead
        self._collect(state, complete, scores, beams, translations)
        keep = torch.tensor(
            [len(translations[i]) < self.width for i in state.sentences.tolist()],
            device=scores.device,
        )
        self._continue(state, keep & ~at_limit, scores, words, beams, ended)

    def _extensions(
        self, features: Tensor, at_start: bool, at_limit: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns log-probabilities and words of each hypothesis's extensions.

        On a CPU a few rows are done at a time, so that all that is computed for a word
        of the vocabulary stays in the cache.

        Args:
            features: of the decoder. Shape: (B * K, C).
            at_start: these are the first words, so none may be an end.
            at_limit: only an end may follow. Shape: (B,).

        Shape: (B * K, 2K); (B * K, 1) if words are drawn.
        """
        choose = self._best if self.temperature is None else self._drawn
        rows = len(features)
        if features.device.type == "cpu":
            rows = max(1, BLOCK // self.model.decoder.output_projection.out_features)
        ends = at_limit.repeat_interleave(self.width)
        best = []
        for block, only_end in zip(features.split(rows), ends.split(rows)):
            logits = self.model.decoder.output_layer(block).float()
            total = torch.logsumexp(logits, dim=-1, keepdim=True)
            self._forbid(logits, at_start, only_end)
            chosen, words = choose(logits)
            best.append((chosen - total, words))
        return torch.cat([s for s, _ in best]), torch.cat([w for _, w in best])

    def _forbid(self, logits: Tensor, at_start: bool, only_end: Tensor) -> None:
        """Leaves only the words that may follow. An unknown word is no translation."""
        logits[:, self.symbols.pad] = -torch.inf
        logits[:, self.symbols.unk] = -torch.inf
        if at_start:
            logits[:, self.symbols.eos] = -torch.inf
        if only_end.any():
            ends = logits[only_end, self.symbols.eos]
            logits[only_end] = -torch.inf
            logits[only_end, self.symbols.eos] = ends

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the 2K best words of each hypothesis, and their logits."""
        best, words = logits.topk(min(2 * self.width, logits.size(1)))
        return best, words

    def _drawn(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Returns one drawn word of each hypothesis, and its logit."""
        assert self.temperature is not None
        weights = logits / self.temperature
        if self.top:
            least = weights.topk(min(self.top, weights.size(1))).values[:, -1:]
            weights = weights.masked_fill(weights < least, -torch.inf)
        # The largest after adding Gumbel noise is a draw from the softmax.
        noise = torch.empty_like(weights).exponential_(generator=self.generator).log()
        words = (weights - noise).argmax(-1, keepdim=True)
        return logits.gather(1, words), words

    def _candidates(
        self, state: State, scores: Tensor, words: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns scores, words and hypotheses of a sentence's best extensions.

        Shape: (B, 2K); (B, K) if words are drawn.
        """
        size, count = len(state.sentences), scores.size(1)
        scores = (scores + state.scores.view(-1, 1)).view(size, -1)
        words = words.view(size, -1)
        if self.temperature is not None:  # one of each, none of which competes
            beams = torch.arange(self.width, device=words.device)
            return scores, words, beams.expand_as(words)
        best = min(2 * self.width, scores.size(1))
        scores, order = scores.topk(best)
        return scores, words.gather(1, order), order // count

    def _collect(
        self,
        state: State,
        complete: Tensor,
        scores: Tensor,
        beams: Tensor,
        translations: list[list[Translation]],
    ) -> None:
        """Writes down the hypotheses that are complete."""
        places = complete.nonzero()
        if not len(places):
            return
        rows, columns = places.unbind(1)
        length = state.tokens.size(1)  # end of sentence counted, its start not
        texts = state.tokens[rows * self.width + beams[rows, columns], 1:].tolist()
        values = (scores[rows, columns] / length).tolist()
        sentences = state.sentences[rows].tolist()
        for sentence, value, text in zip(sentences, values, texts, strict=True):
            if len(translations[sentence]) < self.width:
                translations[sentence].append(Translation(value, text))

    def _continue(
        self,
        state: State,
        keep: Tensor,
        scores: Tensor,
        words: Tensor,
        beams: Tensor,
        ended: Tensor,
    ) -> None:
        """Lets the K best extensions without an end be the next hypotheses."""
        count = scores.size(1)
        blocked = ended.clone()
        blocked[:, : self.width] |= state.dead
        rank = blocked * count + torch.arange(count, device=scores.device)
        rank, chosen = rank.topk(self.width, largest=False)
        base = torch.arange(len(keep), device=scores.device)[:, None] * self.width
        rows = (beams.gather(1, chosen) + base)[keep].view(-1)
        words = words.gather(1, chosen)[keep].view(-1, 1)
        state.sentences, state.dead = state.sentences[keep], (rank >= count)[keep]
        state.scores = scores.gather(1, chosen)[keep]
        state.tokens = torch.cat([state.tokens[rows], words], dim=1)
        if len(rows):
            self.model.decoder.reorder_incremental_state_scripting(state.cache, rows)


def pad_left(rows: list[Tensor], pad: int) -> Tensor:
    """Stacks rows of different lengths; padding on the left is fairseq's default."""
    longest = max(len(row) for row in rows)
    batch = torch.full((len(rows), longest), pad)
    for line, row in zip(batch, rows, strict=True):
        line[longest - len(row) :] = row
    return batch
