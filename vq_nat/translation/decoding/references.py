"""How probable a model finds given translations, for fairseq's `--score-reference`."""

from collections.abc import Sequence
from typing import Optional

import torch
from fairseq.data import Dictionary
from torch import Tensor, nn

from ..flow import (
    Candidate,
    EncodedSource,
    LatentCodes,
    LatentModel,
    align_left,
    is_aligned,
)
from .batches import Sample, only, target_of


class ReferenceScorer:
    """Scores references: log p(codes) + log p(words | codes), by their true codes.

    Of a model without codes, the words from the true latents alone.

    Args:
        tgt_dict: target dictionary.
    """

    def __init__(self, tgt_dict: Dictionary) -> None:
        self.pad, self.eos, self.bos = tgt_dict.pad(), tgt_dict.eos(), tgt_dict.bos()
        self.symbols_to_strip_from_output = {self.eos, self.pad, self.bos}

    @torch.no_grad()
    def generate(
        self,
        models: Sequence[LatentModel | nn.Module],
        sample: Sample,
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
    ) -> list[list[Candidate]]:
        """Returns each reference of a batch as the one candidate of its sentence.

        Raises:
            ValueError: if there are none, or several models, or if words have no
                places to be scored at.
        """
        model = only(models)
        if is_aligned(model):
            raise ValueError(
                "`score_reference` must be off for a model of `--alignment ctc`: its "
                "words have no places to be scored at."
            )
        model.eval()
        target = align_left(target_of(sample), self.pad)
        source = model.encode(sample["net_input"]["src_tokens"])
        codes, latents = self._codes(model, target, source), None
        if codes is None:
            latents = model.true_latents(target, source)
            mask = latents.mask
        else:
            latents, mask = model.lookup(codes), codes.mask
        logp = model.decode(latents, source).logits.float().log_softmax(dim=-1)
        words = target[:, : logp.size(1)]
        scores = logp[:, : words.size(1)].gather(2, words.unsqueeze(2)).squeeze(2)
        return self._candidates(words, scores, codes, mask)

    def _candidates(
        self, words: Tensor, scores: Tensor, codes: Optional[LatentCodes], mask: Tensor
    ) -> list[list[Candidate]]:
        """Returns one candidate for each row of words."""
        lengths = words.ne(self.pad).sum(dim=1).tolist()
        sizes = mask.sum(dim=1).tolist()
        none = words.new_zeros(*mask.shape, 0)
        candidates = []
        for row, (length, steps) in enumerate(zip(lengths, sizes)):
            of_words = scores[row, :length].clone()
            of_codes = 0.0 if codes is None else float(codes.score[row])
            candidate = Candidate(
                tokens=words[row, :length].clone(),
                positional_scores=of_words,
                score=float(of_words.sum()) + of_codes,
                code_score=of_codes,
                codes=(none if codes is None else codes.codes)[row, :steps],
                steps=0,
            )
            candidates.append([candidate])
        return candidates

    def _codes(
        self, model: LatentModel, target: Tensor, source: EncodedSource
    ) -> Optional[LatentCodes]:
        if not model.predicts_codes:
            return None
        codes = model.true_codes(target, source)
        return codes._replace(score=model.score_codes(codes, source))
