"""Owns the BLEU of a validation batch, with the words of the target's language."""

import logging
from typing import Any

import torch
from fairseq import utils
from sacrebleu.metrics import BLEU

from .scores import bleu_of

logger = logging.getLogger(__name__)

# So that an unknown word matches nothing, and stays one word.
UNKNOWN_OUTPUT, UNKNOWN_REFERENCE = "UNKNOWNTOKENINHYP", "UNKNOWNTOKENINREF"


class BleuByLanguage:
    """A task's `--eval-bleu`; stands before a translation task of fairseq's.

    fairseq's own cuts every language into words as sacreBLEU cuts English.
    """

    cfg: Any
    tokenizer: Any
    target_dictionary: Any

    def _inference_with_bleu(
        self, generator: Any, sample: dict[str, Any], model: Any
    ) -> Any:
        """Decodes a batch, and scores it against its targets."""
        candidates = self.inference_step(generator, [model], sample, prefix_tokens=None)  # type: ignore[attr-defined]
        outputs = [self.words(one[0]["tokens"], UNKNOWN_OUTPUT) for one in candidates]
        pad = self.target_dictionary.pad()
        references = [
            self.words(utils.strip_pad(target, pad), UNKNOWN_REFERENCE)
            for target in sample["target"]
        ]
        if self.cfg.eval_bleu_print_samples:
            logger.info("example hypothesis: %s", outputs[0])
            logger.info("example reference: %s", references[0])
        tokenized = self.cfg.eval_tokenized_bleu
        bleu = BLEU(tokenize="none") if tokenized else bleu_of(self.cfg.target_lang)
        return bleu.corpus_score(outputs, [references])

    def words(self, tokens: torch.Tensor, unknown: str) -> str:
        """Turns target indices into words, detokenised as --eval-bleu-detok says.

        Args:
            tokens: (T,).
            unknown: stands for a word that is not in the dictionary.
        """
        text: str = self.target_dictionary.string(
            tokens.int().cpu(), self.cfg.eval_bleu_remove_bpe, unk_string=unknown
        )
        return self.tokenizer.decode(text) if self.tokenizer else text
