"""Words as codes: every k-th word left to right, then all others at once.

Hybrid-regressive translation (Wang et al. 2021, arXiv 2110.15760) as a member of the
family: the code of a chunk of k words is its last one, the end of sentence in the last
chunk. Nothing is compressed or quantised, no code can fall out of use, and codes can be
read. k words per code; the other letters are those of `flow`.
"""

from typing import Optional

import torch
from torch import Tensor

from ..bottleneck import BottleneckOutput
from .config import WORDS, VQEMTransformerConfig
from .decoder import DECODERS
from .flow import (
    NO_CODE,
    DecodedWords,
    EncodedSource,
    LatentCodes,
    Latents,
    TrainingOutput,
    latent_mask,
    word_mask,
)
from .model import VQEMTransformer
from .predictor import WordPredictor

BOS, EOS = 0, 2  # of every fairseq dictionary


class WordCodeTransformer(VQEMTransformer, kind=WORDS):
    """Encoder, a predictor of every k-th word, and a decoder that fills in the others.

    The decoder sees the words of the codes at the ends of their chunks and the
    hidden-word symbol elsewhere. Its output has these words with probability 1, so that
    a translation's score is log p(codes) + log p(other words | codes).
    """

    def build_codes(self, cfg: VQEMTransformerConfig) -> None:
        """Builds the stages that depend on what a code is."""
        self.predictor = WordPredictor(
            cfg.size_of("predictor"),
            layers=cfg.predictor_layers,
            words=self.embed_tokens,
            chunk=self.chunk,
            max_latents=-(-cfg.max_target_positions // self.chunk),
            eos=EOS,
            never=[BOS, self.pad],
        )
        self.decoder = DECODERS.get(cfg.parallel_decoder)(
            cfg.size_of("decoder"), steps=0, layers=cfg.decoder_layers
        )

    @property
    def predicts_codes(self) -> bool:
        """Whether there are codes, so that they can be predicted: always."""
        return True

    # -- the doors of decoding -----------------------------------------------------

    def code_log_probs(self, codes: Tensor, source: EncodedSource) -> Tensor:
        """Computes log p of every code after the codes before it.

        Shape: (B, L, 1) → (B, L + 1, 1, V + 1). The end of sentence stands both as the
        word that it is and as the end of codes.
        """
        logp = super().code_log_probs(codes, source)
        logp[..., EOS] = logp[..., self.predictor.end]
        return logp

    def score_codes(self, codes: LatentCodes, source: EncodedSource) -> Tensor:
        """Computes log p(codes | source), the end among them. Shape: (B,)."""
        words = codes.codes
        logp = self.code_log_probs(words[:, :-1], source)
        steps = logp.gather(-1, words.unsqueeze(-1)).flatten(1)
        return steps.masked_fill(~codes.mask, 0.0).sum(dim=1)

    def lookup(self, codes: LatentCodes) -> Latents:
        """Hands words on to be embedded in `decode`. Shape: (B, L, 1)."""
        return Latents(codes.codes, codes.mask)

    def decode(
        self,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor] = None,
        shown: Optional[Tensor] = None,
    ) -> DecodedWords:
        """Predicts every word at once; those of the codes are given.

        Only the last chunk, whose code is the end of sentence, may end before its code.

        Args:
            latents: the codes (B, L, 1), and mask.
            source: the encoded source.
            words: (B, L · k), words already known at some positions.
            shown: (B, L · k) bool, these positions.
        """
        codes, given = self.place(latents)
        tokens = codes if words is None else torch.where(given, codes, words)
        seen = given if shown is None else given | shown
        states, mask = self.fill(tokens, seen, latents.mask, source)
        hidden = mask & ~given
        predicted = self.project(states[hidden])
        going_on = word_mask(latents.states.squeeze(-1).ne(EOS), self.chunk)[hidden]
        predicted[:, [EOS, self.pad]] -= going_on.unsqueeze(-1) * -NEVER
        logits = predicted.new_full((*mask.shape, predicted.size(-1)), NEVER)
        logits = logits.scatter_(-1, codes.unsqueeze(-1), 0.0)  # of what is given
        logits[hidden] = predicted
        return DecodedWords(logits, mask)

    def place(self, latents: Latents) -> tuple[Tensor, Tensor]:
        """Puts the words of codes at the ends of their chunks.

        Shape: (B, L, 1) → words (B, L · k), 0 elsewhere, and where they are.
        """
        before = (self.chunk - 1, 0)
        words = torch.nn.functional.pad(latents.states, before).flatten(1)
        given = torch.nn.functional.pad(latents.mask.unsqueeze(-1), before).flatten(1)
        return words, given

    def fill(
        self, words: Tensor, shown: Tensor, mask: Tensor, source: EncodedSource
    ) -> tuple[Tensor, Tensor]:
        """Computes the states from which hidden words are predicted.

        Args:
            words: (B, L · k).
            shown: (B, L · k), those of them that are seen.
            mask: (B, L), the real chunks.
            source: the encoded source.

        Returns:
            States (B, L · k, C) and the mask of word positions.
        """
        real = word_mask(mask, self.chunk)
        return self.decoder(Latents(self.embed_shown(words, shown), real), source)

    # -- training ------------------------------------------------------------------

    def true_codes(self, target: Tensor, source: EncodedSource) -> LatentCodes:
        """Returns the last word of each chunk of the target; their `score` is 0."""
        words = self.to_chunks(target)
        real = words.ne(self.pad)
        lengths = real.view(len(words), -1, self.chunk).sum(dim=-1, keepdim=True)
        chunks = words.view(len(words), -1, self.chunk)
        codes = chunks.gather(-1, (lengths - 1).clamp(min=0))
        mask = latent_mask(real, self.chunk)
        none = torch.zeros(len(words), device=words.device)
        return LatentCodes(codes * mask.unsqueeze(-1), mask, none)

    def true_latents(self, target: Tensor, source: EncodedSource) -> Latents:
        """Returns the true codes, as `lookup` hands them on."""
        return self.lookup(self.true_codes(target, source))

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        prev_output_tokens: Optional[Tensor] = None,
        target: Optional[Tensor] = None,
    ) -> TrainingOutput:
        """Computes what the losses need, see `VQEMTransformer.forward`."""
        target = self.require_target(target)
        source = self.encode(src_tokens)
        words = self.to_chunks(target)
        codes = self.true_codes(words, source)
        placed, given = self.place(self.lookup(codes))
        shown = self.draw_shown(words)
        tokens = torch.where(given, placed, words)
        states, mask = self.fill(tokens, shown | given, codes.mask, source)
        hidden = mask & ~(shown | given)
        count = int(codes.mask.sum())
        return TrainingOutput(
            word_logits=self.project(states[hidden]),
            word_targets=words[hidden],
            word_positions=int(mask.sum()),
            code_logits=self.predictor(codes.codes[:, :-1], source),
            code_targets=codes.codes.masked_fill(~codes.mask.unsqueeze(-1), NO_CODE),
            code_count=count,
            bottleneck=nothing_learned(codes.codes),
            latent_count=count,
            updates=self.num_updates,
        )


NEVER = -1e4  # log-probability of another word where one is given


def nothing_learned(codes: Tensor) -> BottleneckOutput:
    """Returns the record of a bottleneck that has nothing to learn."""
    none = torch.zeros((), device=codes.device)
    return BottleneckOutput(none, codes, none, none, {})
