"""Words without places of their own: more positions than words, aligned by CTC.

Connectionist temporal classification (Graves et al. 2006) for translation, as Libovický
and Helcl (2018, arXiv 1811.04719) do it: the decoder has 2^N positions for each word of
a chunk, and each of them says a word or nothing (`flow.BLANK`). A word that is said at
neighbouring positions counts once. The end of sentence is the last word. p(words) is
the sum over all alignments of words and positions. P positions; the other letters are
those of `flow`.
"""

from typing import Any, Optional

import torch
from torch import Tensor

from .config import CTC, NONE, VQEMTransformerConfig
from .decoder import DECODERS
from .flow import (
    NO_CODE,
    AlignedWords,
    DecodedWords,
    EncodedSource,
    Latents,
    TrainingOutput,
    align_left,
)
from .model import VQEMTransformer
from .word_codes import nothing_learned


class AlignedTransformer(VQEMTransformer, kind=CTC):
    """A model with codes, whose decoder has more positions than its chunks have words.

    No word can be shown to it: it has no place before the alignment is known.
    """

    aligned = True  # see `flow.is_aligned`

    def build_codes(self, cfg: VQEMTransformerConfig) -> None:
        """Builds the stages, the decoder with further doublings."""
        super().build_codes(cfg)
        self.build_decoder(cfg, cfg.compression_steps + cfg.alignment_doublings)

    def build_decoder(self, cfg: VQEMTransformerConfig, steps: int) -> None:
        """Builds a decoder that doubles the length of what it reads `steps` times."""
        size = cfg.size_of("decoder")
        most = size.max_positions * 2**cfg.alignment_doublings
        longer = size._replace(max_positions=most)
        make = DECODERS.get(cfg.parallel_decoder)
        self.decoder = make(longer, steps=steps, layers=cfg.decoder_layers)

    @property
    def positions_per_latent(self) -> int:
        """How many positions the decoder has for each latent."""
        return int(self.chunk * 2**self.cfg.alignment_doublings)

    def decode(
        self,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor] = None,
        shown: Optional[Tensor] = None,
    ) -> DecodedWords:
        """Predicts a word, or none, at every position.

        Args:
            latents: (B, L, C) and mask.
            source: the encoded source.
            words: must be None.
            shown: must be None.

        Raises:
            ValueError: if words are given.
        """
        if words is not None or shown is not None:
            raise ValueError(
                f"`words` must be None with `alignment` {CTC!r}: no word has a place "
                "to be shown at."
            )
        states, mask = self.decoder(latents, source, self.hidden_word)
        return DecodedWords(self.project(states), mask)

    def word_outputs(
        self, latents: Latents, source: EncodedSource, words: Tensor
    ) -> dict[str, Any]:
        """Returns the fields of a `TrainingOutput` that are about words."""
        decoded = self.decode(latents, source)
        counts = words.ne(self.pad).sum(dim=1)
        aligned = AlignedWords(decoded.logits, decoded.mask, words, counts)
        nothing = decoded.logits.new_zeros(0, decoded.logits.size(-1))
        return {
            "word_logits": nothing,
            "word_targets": words.new_zeros(0),
            "word_positions": int((counts * aligned.fits).sum()),
            "aligned": aligned,
        }


class SourceAligned(AlignedTransformer, kind=NONE):
    """No codes: the decoder reads the states of the source, and all is one pass."""

    reads_source = True  # see `flow.reads_source`

    def build_codes(self, cfg: VQEMTransformerConfig) -> None:
        """Builds the decoder, the only stage besides the encoder."""
        self.build_decoder(cfg, cfg.alignment_doublings)

    @property
    def predicts_codes(self) -> bool:
        """Whether there are codes, so that they can be predicted: never."""
        return False

    def true_latents(self, target: Optional[Tensor], source: EncodedSource) -> Latents:
        """Returns what the decoder reads, whatever the target is."""
        return Latents(source.states, source.mask)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        prev_output_tokens: Optional[Tensor] = None,
        target: Optional[Tensor] = None,
    ) -> TrainingOutput:
        """Computes what the losses need, see `VQEMTransformer.forward`."""
        words = align_left(self.require_target(target), self.pad)
        source = self.encode(src_tokens)
        latents = self.true_latents(None, source)
        none = torch.full_like(words[:, :0].unsqueeze(-1), NO_CODE)  # (B, 0, 1)
        return TrainingOutput(
            **self.word_outputs(latents, source, words),
            code_logits=source.states.new_zeros(*none.shape, 1),
            code_targets=none,
            code_count=1,
            bottleneck=nothing_learned(none),
            latent_count=0,
            updates=self.num_updates,
        )
