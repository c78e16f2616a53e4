"""The search for the best output: predict codes, look them up, decode, refine.

It knows the model through `encode / predict / lookup / decode` only.
"""

from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from .flow import EncodedSource, LatentCodes, Latents


class WordGuess(NamedTuple):
    """The words so far and how sure the model is of each."""

    tokens: Tensor  # (B, T)
    scores: Tensor  # (B, T) log-probabilities
    mask: Tensor  # (B, T)


class IterativeLatentGenerator:
    """Decodes in parallel, then refines by mask-predict.

    Pass 0 predicts the codes greedily and all words from them. Pass i of N hides the
    ⌊T · (1 - i / (N + 1))⌋ least certain words of each sentence and predicts them
    again around the others (Ghazvininejad et al. 2019), until nothing changes.

    Args:
        tgt_dict: target dictionary.
        max_iter: N, refinement passes; 0 = one parallel pass.
        max_len_a: outputs have at most a · S + b words.
        max_len_b: outputs have at most a · S + b words.
        retain_history: keep the words of every pass in the result.
        true_codes: take the codes from the target instead of predicting them; a
            diagnosis of what the codes hold.
    """

    def __init__(
        self,
        tgt_dict: Any,
        max_iter: int = 0,
        max_len_a: float = 0.0,
        max_len_b: int = 200,
        retain_history: bool = False,
        true_codes: bool = False,
    ) -> None:
        self.pad, self.eos, self.bos = tgt_dict.pad(), tgt_dict.eos(), tgt_dict.bos()
        self.max_iter, self.retain_history = max_iter, retain_history
        self.max_len_a, self.max_len_b = max_len_a, max_len_b
        self.true_codes = true_codes
        self.symbols_to_strip_from_output = {self.eos, self.pad, self.bos}

    @torch.no_grad()
    def generate(
        self,
        models: list[Any],
        sample: dict[str, Any],
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
    ) -> list[list[dict[str, Any]]]:
        """Translates a batch.

        Args:
            models: one model; ensembles cannot share codes.
            sample: a fairseq batch.
            prefix_tokens: must be None, words are not written left to right.
            constraints: must be None.

        Returns:
            Per sentence a list with one hypothesis: `tokens`, `score` (log p(codes) +
            log p(words | codes)), `positional_scores` (per word), `codes` (L, G),
            `steps`, and `history` if retained.

        Raises:
            ValueError: for settings a parallel decoder cannot serve.
        """
        if len(models) != 1:
            raise ValueError(
                f"`models` must hold one model, but holds {len(models)} instead: "
                "every model has codes of its own."
            )
        if prefix_tokens is not None or constraints is not None:
            raise ValueError(
                "`prefix_tokens` and `constraints` must be None: all words are "
                "written at once."
            )
        model = models[0]
        model.eval()  # returns nothing after fairseq's make_generation_fast_
        source = model.encode(sample["net_input"]["src_tokens"])
        codes = self._codes(model, source, sample)
        latents = model.lookup(codes)
        guess = self._decode(model, latents, source, None, None)
        history = [guess]
        running = guess.mask.any(dim=1)
        steps = torch.zeros_like(running, dtype=torch.long)
        for step in range(1, self.max_iter + 1):
            if not running.any():
                break
            better = self._refine(model, latents, source, guess, step)
            # A sentence that stands still is finished, whatever the others do:
            # otherwise its words would depend on the batch.
            steps = torch.where(running, step, steps)
            changed = better.tokens.ne(guess.tokens).any(dim=1)
            guess = keep_running(guess, better, running)
            running = running & changed
            history.append(guess)
        return [
            [self._hypothesis(row, codes, guess, history, int(steps[row]))]
            for row in range(len(guess.tokens))
        ]

    def _codes(
        self, model: Any, source: EncodedSource, sample: dict[str, Any]
    ) -> LatentCodes:
        if self.true_codes:
            return model.true_codes(sample["target"], source)
        lengths = source.mask.sum(dim=1)
        words = (lengths * self.max_len_a + self.max_len_b).long()
        latents = -(-words // 2**model.steps)
        return model.predict(source, latents.clamp(min=1))

    def _decode(
        self,
        model: Any,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor],
        shown: Optional[Tensor],
    ) -> WordGuess:
        decoded = model.decode(latents, source, words, shown)
        log_probs = torch.log_softmax(decoded.logits.float(), dim=-1)
        log_probs[..., self.bos] = -float("inf")
        scores, tokens = log_probs.max(dim=-1)
        return WordGuess(tokens, scores, decoded.mask)

    def _refine(
        self,
        model: Any,
        latents: Latents,
        source: EncodedSource,
        guess: WordGuess,
        step: int,
    ) -> WordGuess:
        lengths = guess.mask.sum(dim=1, keepdim=True)
        count = (lengths * (1 - step / (self.max_iter + 1))).long()
        certainty = guess.scores.masked_fill(~guess.mask, float("inf"))
        rank = certainty.argsort(dim=1, stable=True).argsort(dim=1)
        hidden = (rank < count) & guess.mask
        # Shown words are those the compressor could have seen in training: no padding.
        shown = guess.mask & ~hidden & guess.tokens.ne(self.pad)
        again = self._decode(model, latents, source, guess.tokens, shown)
        return WordGuess(
            torch.where(hidden, again.tokens, guess.tokens),
            torch.where(hidden, again.scores, guess.scores),
            guess.mask,
        )

    def _cut(self, row: int, guess: WordGuess) -> tuple[Tensor, Tensor]:
        """Cuts one sentence at its first end of sentence, which it always has."""
        tokens = guess.tokens[row][guess.mask[row]]
        scores = guess.scores[row][guess.mask[row]]
        ends = (tokens.eq(self.eos) | tokens.eq(self.pad)).nonzero()
        if len(ends):
            length = int(ends[0]) + 1
            tokens, scores = tokens[:length].clone(), scores[:length]
            tokens[-1] = self.eos
        else:
            tokens = torch.cat([tokens, tokens.new_tensor([self.eos])])
            scores = torch.cat([scores, scores.new_zeros(1)])
        return tokens, scores

    def _hypothesis(
        self,
        row: int,
        codes: LatentCodes,
        guess: WordGuess,
        history: list[WordGuess],
        steps: int,
    ) -> dict[str, Any]:
        tokens, scores = self._cut(row, guess)
        hypothesis = {
            "tokens": tokens,
            "positional_scores": scores,
            "score": float(scores.sum() + codes.score[row]),
            "codes": codes.codes[row][codes.mask[row]],
            "alignment": None,
            "attention": None,
            "steps": steps,
        }
        if self.retain_history:
            passes = history[: steps + 1]
            hypothesis["history"] = [{"tokens": self._cut(row, g)[0]} for g in passes]
        return hypothesis


def keep_running(before: WordGuess, after: WordGuess, running: Tensor) -> WordGuess:
    """Takes the new words of running sentences only. Shape: running (B,)."""
    row = running.unsqueeze(1)
    return WordGuess(
        torch.where(row, after.tokens, before.tokens),
        torch.where(row, after.scores, before.scores),
        before.mask,
    )
