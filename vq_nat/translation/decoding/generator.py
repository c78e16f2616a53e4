"""The search for the best output: codes, words, refinement passes, the best candidate.

It knows the model through `flow.LatentModel` alone.
"""

from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from fairseq.data import Dictionary
from torch import Tensor, nn

from ..flow import (
    Candidate,
    EncodedSource,
    LatentCodes,
    LatentModel,
    Latents,
    align_left,
    given_places,
    is_aligned,
    positions_per_latent,
    reads_source,
    row_slices,
    rows_at_once,
    take,
)
from .batches import Sample, only, target_of
from .collapse import collapse
from .drafts import (
    Draft,
    WordGuess,
    cut_off,
    differs,
    fit,
    most_likely,
    put_draft,
    take_draft,
    within,
)
from .drafts import largest as largest
from .gumbel import sentence_keys
from .lengths import LengthRule
from .limits import GREEDY, SearchOptions
from .rescoring import ModelScore, Rescorer
from .search import search


class IterativeLatentGenerator:
    """Decodes in parallel, refines, and keeps the best candidate.

    Pass 0 searches for the codes of each candidate and predicts all words from them.
    Each of up to N further passes improves a candidate until it stands still:

    - "mask": hides the ⌊T · (1 - i / (N + 1))⌋ least certain words in pass i and
      predicts them again around the others (Ghazvininejad et al. 2019);
    - "latent": sends the words back through compressor and bottleneck and decodes from
      the new codes;
    - "both": takes new codes from the words, then predicts the least certain words
      again from them and the other words.

    Args:
        tgt_dict: target dictionary.
        max_iter: N, refinement passes; 0 = one parallel pass.
        max_len_a, max_len_b: outputs have at most a · S + b words.
        retain_history: keep the words of every pass in the result.
        true_codes: take the codes from the target instead of predicting them, to see
            how much the codes hold.
        true_latents: take the latents from the target, without codes: the only way
            to decode a model without discretisation.
        search: how codes are searched for; its width is the number of candidates.
        lengths: the whole rule for lengths, instead of a and b.
        refinement: "mask", "latent" or "both".
        rescorer: what ranks the candidates; by default the model's own score.
        logits_at_once: words × vocabulary in memory at a time; what is more is decoded
            in several steps. 0 = as many as suit the device.

    `DecodingOptions` says which values are allowed, and which exclude each other.
    """

    def __init__(
        self,
        tgt_dict: Dictionary,
        max_iter: int = 0,
        max_len_a: float = 0.0,
        max_len_b: float = 200,
        retain_history: bool = False,
        true_codes: bool = False,
        true_latents: bool = False,
        search: SearchOptions = GREEDY,
        lengths: Optional[LengthRule] = None,
        refinement: str = "mask",
        rescorer: Optional[Rescorer] = None,
        logits_at_once: int = 0,
    ) -> None:
        self.pad, self.eos, self.bos = tgt_dict.pad(), tgt_dict.eos(), tgt_dict.bos()
        self.max_iter, self.retain_history = max_iter, retain_history
        self.lengths = lengths or LengthRule(max_len_a, max_len_b)
        self.true_codes, self.true_latents = true_codes, true_latents
        self.search, self.refinement = search, refinement
        self.rescorer = rescorer or ModelScore()
        self.logits_at_once, self.vocabulary = logits_at_once, len(tgt_dict)
        self.symbols_to_strip_from_output = {self.eos, self.pad, self.bos}

    @torch.no_grad()
    def generate(
        self,
        models: Sequence[LatentModel | nn.Module],
        sample: Sample,
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
    ) -> list[list[Candidate]]:
        """Translates a batch.

        Args:
            models: one model, ensembles cannot share codes; the teacher that rescores
                may stand behind it, as fairseq hands it over.
            sample: a fairseq batch.
            prefix_tokens: must be None, words are not written left to right.
            constraints: must be None.

        Returns:
            Per sentence its different candidates, the best first.

        Raises:
            ValueError: for settings a parallel decoder cannot serve.
        """
        model = only([m for m in models if m is not self.rescorer.teacher])
        if prefix_tokens is not None or constraints is not None:
            raise ValueError(
                "`prefix_tokens` and `constraints` must be None: all words are "
                "written at once."
            )
        if model.training:  # a walk through all modules, at batch size 1 worth avoiding
            model.eval()  # returns nothing after fairseq's make_generation_fast_
        src_tokens = sample["net_input"]["src_tokens"]
        source = model.encode(src_tokens)
        if self.true_latents or reads_source(model):
            target = src_tokens if reads_source(model) else target_of(sample)
            drafts = [self._true_draft(model, source, target)]
            rows = self._candidates(drafts, drafts[0].steps())
            if reads_source(model):  # there are no codes
                rows = [row._replace(codes=row.codes[:0]) for row in rows]
            return self._ranked(src_tokens, [[row] for row in rows])
        codes = self._codes(model, source, sample)
        copies = len(codes.codes) // len(src_tokens)
        if copies > 1:
            index = torch.arange(len(src_tokens), device=src_tokens.device)
            source = take(source, index.repeat_interleave(copies))
        passes, steps = self._passes(model, source, codes)
        rows = self._candidates(passes, steps)
        candidates = [
            different(rows[i : i + copies]) for i in range(0, len(rows), copies)
        ]
        return self._ranked(src_tokens, candidates, copies)

    def _ranked(
        self, src_tokens: Tensor, candidates: list[list[Candidate]], copies: int = 1
    ) -> list[list[Candidate]]:
        if copies > 1 or self.rescorer.rewrites:
            return self.rescorer.rank(src_tokens, candidates)
        return candidates

    def from_codes(
        self, model: LatentModel, codes: LatentCodes, source: EncodedSource
    ) -> list[Candidate]:
        """Decodes given codes, and refines the words; a candidate for each row."""
        return self._candidates(*self._passes(model, source, codes))

    def _codes(
        self, model: LatentModel, source: EncodedSource, sample: Sample
    ) -> LatentCodes:
        if self.true_codes:
            return model.true_codes(target_of(sample), source)
        bounds = self.lengths.bounds(source, model.chunk)
        if self.search.kind == "sample":
            words = align_left(sample["net_input"]["src_tokens"], self.pad)
            bounds = bounds._replace(keys=sentence_keys(words, self.pad))
        return search(model.predictor, source, bounds, self.search)

    def _true_draft(
        self, model: LatentModel, source: EncodedSource, target: Tensor
    ) -> Draft:
        latents = model.true_latents(target, source)
        none = latents.mask.new_zeros(*latents.mask.shape, 0, dtype=torch.long)
        score = latents.states.new_zeros(len(none), dtype=torch.float32)
        codes = LatentCodes(none, latents.mask, score)
        return Draft(codes, self._decode(model, latents, source))

    def _passes(
        self, model: LatentModel, source: EncodedSource, codes: LatentCodes
    ) -> tuple[list[Draft], Tensor]:
        """Returns the draft of every pass, and how many passes each row went through.

        A row that no longer changes is finished and leaves the batch, so that its words
        do not depend on the other rows.
        """
        draft = Draft(codes, self._decode(model, model.lookup(codes), source))
        passes = [draft]
        steps = draft.steps()
        rows = torch.arange(len(steps), device=steps.device)
        for step in range(1, self.max_iter + 1):
            everyone = len(rows) == len(steps)
            here = source if everyone else take(source, rows)
            before = draft if everyone else take_draft(draft, rows)
            after = self._refine(model, here, before, step)
            draft = put_draft(draft, after, rows, self.pad)
            passes.append(draft)
            steps[rows] = step
            rows = rows[differs(before.guess.tokens, after.guess.tokens, self.pad)]
            if not len(rows):
                break
        if self.max_iter and self.refinement != "mask" and not self.true_codes:
            passes[-1] = self._scored(model, passes[-1], source)
        return passes, steps

    def _scored(self, model: LatentModel, draft: Draft, source: EncodedSource) -> Draft:
        """Scores codes that came from words, once, behind the last pass."""
        score = model.score_codes(draft.codes, source)
        return draft._replace(codes=draft.codes._replace(score=score))

    def _decode(
        self,
        model: LatentModel,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor] = None,
        shown: Optional[Tensor] = None,
    ) -> WordGuess:
        """Predicts all words, of some rows at a time if they are many."""
        each = positions_per_latent(model)
        length = latents.mask.size(1) * each
        device, most = latents.mask.device, self.logits_at_once
        count = rows_at_once(device, length, vocabulary=self.vocabulary, logits=most)
        slices = row_slices(len(latents.mask), count=count)
        if len(slices) == 1:
            return self._decode_rows(model, latents, source, words, shown)
        parts = []
        for rows in slices:
            # Neighbours are often equally long, and no row longer than its part needs.
            longest = int(latents.mask[rows].sum(dim=1).max())
            end = longest * each
            part = self._decode_rows(
                model,
                Latents(*(field[rows, :longest] for field in latents)),
                EncodedSource(*(field[rows] for field in source)),
                None if words is None else words[rows, :end],
                None if shown is None else shown[rows, :end],
            )
            parts.append(part.padded(length, pad=self.pad))
        return WordGuess(*(torch.cat(fields) for fields in zip(*parts)))

    def _decode_rows(
        self,
        model: LatentModel,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor],
        shown: Optional[Tensor],
    ) -> WordGuess:
        decoded = model.decode(latents, source, words, shown)
        logits = decoded.logits.float()
        logp = logits.log_softmax(dim=-1)  # one fused pass: half of logsumexp's time
        if is_aligned(model):
            collapsed = self._aligned(logits, logp, decoded.mask)
            return self._bounded(model, collapsed, source)
        logits[..., self.bos] = -float("inf")
        if self.lengths.shortest > 1:
            given = given_places(model, latents)
            self.lengths.keep_open(logits, [self.eos, self.pad], given)
        tokens, scores = most_likely(logits, logp)
        guess = WordGuess(tokens, scores, logp[..., self.eos], decoded.mask)
        return self._bounded(model, within(guess, guess.mask, self.pad), source)

    def _aligned(self, logits: Tensor, logp: Tensor, mask: Tensor) -> WordGuess:
        """Returns the words of the best path, see `collapse`."""
        logits[..., self.pad] = -float("inf")
        tokens, scores = most_likely(logits, logp)
        guess = WordGuess(tokens, scores, torch.zeros_like(scores), mask)
        return collapse(guess, pad=self.pad, eos=self.eos)

    def _bounded(
        self, model: LatentModel, guess: WordGuess, source: EncodedSource
    ) -> WordGuess:
        """Cuts off the words that are too many."""
        room = model.max_positions()[1] - 1  # and the end
        most = self.lengths.words(source, guess.tokens.size(1), room)
        return guess if most is None else cut_off(guess, most, self.pad)

    # -- refinement ----------------------------------------------------------------

    def _refine(
        self, model: LatentModel, source: EncodedSource, draft: Draft, step: int
    ) -> Draft:
        if self.refinement == "mask":
            latents = model.lookup(draft.codes)
            return draft._replace(
                guess=self._predict_again(model, latents, source, draft.guess, step)
            )
        codes = model.true_codes(self._sentences(draft.guess), source)
        latents = model.lookup(codes)
        if self.refinement == "latent":
            return Draft(codes, self._decode(model, latents, source))
        guess = fit(draft.guess, codes, chunk=model.chunk, pad=self.pad)
        guess = self._bounded(model, guess, source)
        return Draft(codes, self._predict_again(model, latents, source, guess, step))

    def _predict_again(
        self,
        model: LatentModel,
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
            torch.where(hidden, again.ends, guess.ends),
            guess.mask,
        )

    def _sentences(self, guess: WordGuess) -> Tensor:
        """Returns the words up to the end of sentence. Shape: (R, T).

        A sentence that does not end within its codes gets no end: with an end it would
        need one more code in each pass. One without words is its end alone.
        """
        tokens, _, lengths = self._cut(guess)
        places = torch.arange(guess.tokens.size(1), device=tokens.device)
        behind = (places >= lengths.unsqueeze(1)) | (~guess.mask & places.gt(0))
        return tokens[:, :-1].masked_fill(behind, self.pad)

    # -- results -------------------------------------------------------------------

    def _cut(self, guess: WordGuess) -> tuple[Tensor, Tensor, Tensor]:
        """Cuts each sentence at its first end, which it always has.

        A sentence that ends only because its codes have ended has no score of an end.

        Returns:
            Words (R, T + 1), their scores and their numbers (R,).
        """
        tokens = F.pad(guess.tokens, (0, 1), value=self.eos)
        ends = tokens.eq(self.eos) | tokens.eq(self.pad)
        last = ends.int().argmax(dim=1, keepdim=True)
        end_scores = F.pad(guess.ends, (0, 1)).gather(1, last)
        scores = F.pad(guess.scores, (0, 1)).scatter(1, last, end_scores)
        return tokens.scatter(1, last, self.eos), scores, last.squeeze(1) + 1

    def _candidates(self, passes: list[Draft], steps: Tensor) -> list[Candidate]:
        codes = passes[-1].codes
        cuts = [self._cut(draft.guess) for draft in passes]
        tokens, scores, lengths = cuts[-1]
        counts, code_counts = lengths.tolist(), codes.mask.sum(dim=1).tolist()
        own = codes.score.tolist()
        rows = []
        for row, step in enumerate(steps.tolist()):
            words = scores[row, : counts[row]].clone()
            history = cuts[: step + 1] if self.retain_history else []
            rows.append(
                Candidate(
                    tokens=tokens[row, : counts[row]].clone(),
                    positional_scores=words,
                    score=float(words.sum()) + own[row],
                    code_score=own[row],
                    codes=codes.codes[row, : code_counts[row]],
                    steps=step,
                    history=tuple(cut[0][row, : int(cut[2][row])] for cut in history),
                )
            )
        return rows


# -------------------------------------------------------------------------- small parts


def different(rows: list[Candidate]) -> list[Candidate]:
    """Keeps one candidate for each wording, that of the highest score."""
    kept: dict[tuple[int, ...], Candidate] = {}
    for row in rows:
        key = tuple(row.tokens.tolist())
        same = kept.get(key)
        best = row if same is None or row.score > same.score else same
        kept[key] = best._replace(copies=1 if same is None else same.copies + 1)
    return list(kept.values())
