"""The wiring of the four stages, and a start from the teacher."""

from argparse import Namespace
from typing import Any, ClassVar, Optional, Union

import torch
import torch.nn.functional as F
from fairseq.models import BaseFairseqModel, register_model
from fairseq.tasks.translation import TranslationTask
from omegaconf import DictConfig
from torch import Tensor, nn

from ..bottleneck import Prior, build_bottleneck
from ..fairseq_side.compat import OneArchitecture, Refused, in_a_sentence, load_weights
from .binding import naming_other_sizes
from .compressor import TargetCompressor
from .config import VQEMTransformerConfig, check
from .decoder import DECODERS
from .encoder import SourceEncoder
from .flow import (
    DecodedWords,
    EncodedSource,
    LatentCodes,
    Latents,
    TrainingOutput,
    align_left,
    latent_mask,
    pad_to_chunks,
    sum_code_scores,
)
from .idle import check_idle
from .noise import draw_kept, shuffle_locally
from .predictor import PREDICTORS, soft_targets
from .schedule import draw_shown, growth, latent_share
from .teacher_start import copy_weights, for_student


@register_model("vq_em_transformer", dataclass=VQEMTransformerConfig)
class VQEMTransformer(OneArchitecture, BaseFairseqModel):
    """Encoder, compressor, bottleneck, latent predictor and parallel decoder.

    Decoding uses the methods of `flow.LatentModel` only, which take and return tensors;
    the search for codes calls the predictor step by step:

        source = model.encode(src_tokens)
        codes = search(model.predictor, source, bounds, options)
        words = model.decode(model.lookup(codes), source)

    Args:
        cfg: options.
        vocabulary: V, of the joint dictionary.
        pad: index of the padding symbol.
    """

    criterion_name = "latent_prediction"  # what it trains with

    def __init__(
        self, cfg: VQEMTransformerConfig, *, vocabulary: int, pad: int
    ) -> None:
        super().__init__()
        check(cfg)
        self.cfg, self.pad, self.chunk = cfg, pad, cfg.chunk
        size = cfg.size
        self.embed_tokens = nn.Embedding(vocabulary, size.width, pad)
        nn.init.normal_(self.embed_tokens.weight, std=size.width**-0.5)
        nn.init.zeros_(self.embed_tokens.weight[pad])
        self.hidden_word = nn.Parameter(torch.zeros(size.width))
        self.encoder = SourceEncoder(size, cfg.encoder_layers)
        self.build_codes(cfg)
        self.num_updates = 0

    def build_codes(self, cfg: VQEMTransformerConfig) -> None:
        """Builds the stages that depend on what a code is."""
        width, steps = cfg.encoder_embed_dim, cfg.compression_steps
        self.compressor = TargetCompressor(
            cfg.size_of("compressor"),
            steps=steps,
            residual_blocks=cfg.compressor_blocks,
            source_attention=cfg.compressor_source_attention,
        )
        self.bottleneck = build_bottleneck(cfg, width)
        self.predictor = PREDICTORS.get(cfg.latent_predictor)(
            cfg.size_of("predictor"),
            layers=cfg.predictor_layers,
            slices=self.bottleneck.num_slices,
            codes=self.bottleneck.num_codes,  # 1 without discretisation
            max_latents=-(-cfg.max_target_positions // self.chunk),
        )
        self.decoder = DECODERS.get(cfg.parallel_decoder)(
            cfg.size_of("decoder"), steps=steps, layers=cfg.decoder_layers
        )

    # The classes of other kinds of codes, and of words without places, by name.
    kinds: ClassVar[dict[str, type["VQEMTransformer"]]] = {}

    def __init_subclass__(cls, kind: str = "", **rest: Any) -> None:
        """Names the kind of codes that a class is for."""
        super().__init_subclass__(**rest)
        if kind:
            VQEMTransformer.kinds[kind] = cls

    @classmethod
    def build_model(
        cls, cfg: Union[Namespace, DictConfig], task: TranslationTask
    ) -> "VQEMTransformer":
        """Builds a model for `task`, which must have a joint dictionary.

        Raises:
            Refused: if source and target dictionary differ, and for wrong options.
        """
        # fairseq hands over a Namespace or omegaconf's copy, which has no properties.
        options = VQEMTransformerConfig.from_namespace(cfg)
        if task.source_dictionary != task.target_dictionary:
            names = (task.cfg.source_lang, task.cfg.target_lang)
            files = " and ".join(f"dict.{name}.txt" for name in names)
            raise Refused(
                f"the dictionaries {files} must be the same, but differ in "
                f"{task.cfg.data}: prepare the data with `fairseq-preprocess "
                "--joined-dictionary`."
            )
        dictionary = task.target_dictionary
        kind = cls.kinds.get(options.model_kind, cls)
        with in_a_sentence():
            return kind(options, vocabulary=len(dictionary), pad=dictionary.pad())

    @property
    def sees_words(self) -> bool:
        """Whether training showed words to the decoder until its end."""
        return self.cfg.shown_sentences > 0

    @property
    def predicts_codes(self) -> bool:
        """Whether there are codes, so that they can be predicted."""
        return self.bottleneck.num_codes > 1

    # -- the doors of decoding -----------------------------------------------------

    def encode(self, src_tokens: Tensor) -> EncodedSource:
        """Encodes source words. Shape: (B, S), padded on either side."""
        tokens = align_left(src_tokens, self.pad)
        return self.encoder(self.embed(tokens), tokens.ne(self.pad))

    def code_log_probs(self, codes: Tensor, source: EncodedSource) -> Tensor:
        """Computes log p of every code, and of the end, after the codes before it.

        Shape: (B, L, G) → (B, L + 1, G, K + 1); symbol K of slice 0 is the end.
        """
        return self.predictor.log_probs(self.predictor(codes, source))

    def score_codes(self, codes: LatentCodes, source: EncodedSource) -> Tensor:
        """Computes log p(codes, end of codes | source) in one pass. Shape: (B,)."""
        logp = self.code_log_probs(codes.codes, source)
        return sum_code_scores(logp, codes, self.predictor.end)

    def lookup(self, codes: LatentCodes) -> Latents:
        """Turns codes into vectors. Shape: (B, L, G) → (B, L, C)."""
        states = self.bottleneck.lookup(codes.codes)
        return Latents(states * codes.mask.unsqueeze(-1), codes.mask)

    def decode(
        self,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor] = None,
        shown: Optional[Tensor] = None,
    ) -> DecodedWords:
        """Predicts every word at once.

        Args:
            latents: (B, L, C) and mask.
            source: the encoded source.
            words: (B, L · 2^n_c), words already known at some positions.
            shown: (B, L · 2^n_c) bool, these positions.
        """
        if words is None or shown is None:
            batch, length = latents.mask.shape
            words = latents.mask.new_zeros(batch, length * self.chunk).long()
            shown = torch.zeros_like(words, dtype=torch.bool)
        states, mask = self.decoder(latents, source, self.embed_shown(words, shown))
        return DecodedWords(self.project(states), mask)

    # -- training ------------------------------------------------------------------

    def refuse_training(self) -> None:
        """Refuses, by `Refused`, options that a training would ignore."""
        with in_a_sentence():
            check_idle(self.cfg)

    def compress(self, target: Tensor, source: EncodedSource) -> Latents:
        """Computes z_e of the target. Shape: (B, T) → (B, ⌈T / 2^n_c⌉, C)."""
        words = self.to_chunks(target)
        return self.compressor(self.embed(words), words.ne(self.pad), source)

    def true_codes(self, target: Tensor, source: EncodedSource) -> LatentCodes:
        """Returns the codes that the compressor and bottleneck give the target.

        Their `score` is 0, as they are not predicted; see `score_codes`.
        """
        z_e = self.compress(target, source)
        codes = self.bottleneck(z_e.states, z_e.mask).codes
        none = z_e.states.new_zeros(len(codes), dtype=torch.float32)
        return LatentCodes(codes * z_e.mask.unsqueeze(-1), z_e.mask, none)

    def true_latents(self, target: Tensor, source: EncodedSource) -> Latents:
        """Returns what the decoder sees of the target behind the bottleneck.

        Of discrete latents these are the vectors of the true codes; without
        discretisation they are what the compressor gives.
        """
        z_e = self.compress(target, source)
        return Latents(self.bottleneck(z_e.states, z_e.mask).quantized, z_e.mask)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        prev_output_tokens: Optional[Tensor] = None,
        target: Optional[Tensor] = None,
    ) -> TrainingOutput:
        """Computes what the losses need.

        Args:
            src_tokens: (B, S), padded on either side.
            src_lengths: unused, fairseq passes it.
            prev_output_tokens: unused, fairseq passes it.
            target: (B, T), padded on either side, end of sentence included.

        Raises:
            ValueError: without a target.
        """
        target = self.require_target(target)
        source = self.encode(src_tokens)
        words = self.to_chunks(target)
        noisy = self.embed_noisy(words)
        z_e = self.compressor(noisy, words.ne(self.pad), source)
        prior = self.prior_of(z_e, source) if self.training else None
        bottleneck = self.bottleneck(z_e.states, z_e.mask, prior)
        code_logits = self.predictor(bottleneck.codes, source)
        code_targets = soft_targets(bottleneck.weights, z_e.mask, self.predictor.end)

        latents = Latents(bottleneck.quantized, z_e.mask)
        return TrainingOutput(
            **self.word_outputs(latents, source, words),
            code_logits=code_logits,
            code_targets=code_targets,
            code_count=int(z_e.mask.sum() + z_e.mask.any(dim=1).sum()),  # and the ends
            bottleneck=bottleneck,
            latent_count=int(z_e.mask.sum()),
            updates=self.num_updates,
        )

    def word_outputs(
        self, latents: Latents, source: EncodedSource, words: Tensor
    ) -> dict[str, Any]:
        """Returns the fields of a `TrainingOutput` that are about words.

        Args:
            latents: that the decoder reads.
            source: the encoded source.
            words: (B, L · k), the target in whole chunks.
        """
        shown = self.draw_shown(words)
        states, mask = self.decoder(latents, source, self.embed_shown(words, shown))
        hidden = mask & ~shown  # a shown word is never its own training target
        return {
            "word_logits": self.project(states[hidden]),
            "word_targets": words[hidden],
            "word_positions": int(mask.sum()),
        }

    @torch.no_grad()
    def prior_of(self, z_e: Latents, source: EncodedSource) -> Optional[Prior]:
        """Returns the predictor's log p, given the codes that were chosen without it.

        None while both weights are 0. It is asked without dropout.
        """
        cfg = self.cfg
        share = growth(
            self.num_updates, start=cfg.vq_prior_start, updates=cfg.vq_prior_updates
        )
        weight, rate = share * cfg.vq_prior_weight, share * cfg.vq_rate_weight
        if not weight and not rate:
            return None
        training = [m for m in (self.bottleneck, self.predictor) if m.training]
        for module in training:  # nothing is gathered, dropped or drawn
            module.eval()
        codes = self.bottleneck(z_e.states, z_e.mask).codes
        logp = self.code_log_probs(codes, source)[:, :-1, :, :-1]
        for module in training:
            module.train()
        return Prior(logp, weight, rate)

    def require_target(self, target: Optional[Tensor]) -> Tensor:
        """Returns the target.

        Raises:
            ValueError: if there is none.
        """
        if target is None:
            raise ValueError(
                "`target` must be given to train, as `--task "
                "discrete_latent_translation --criterion latent_prediction` do, but is "
                "None instead; `vq_nat.load` returns what translates."
            )
        return target

    def draw_shown(self, words: Tensor) -> Tensor:
        """Draws which words the decoder sees in this update; none in evaluation."""
        if not self.training:
            return torch.zeros_like(words, dtype=torch.bool)
        share = latent_share(self.num_updates, updates=self.cfg.latent_share_updates)
        return draw_shown(words.ne(self.pad), share, self.cfg.shown_sentences)

    # -- small parts ---------------------------------------------------------------

    def to_chunks(self, target: Tensor) -> Tensor:
        """Aligns the target left and fills the last chunk with padding.

        The batch's own surplus padding goes: (B, T) → (B, L · k).
        """
        words = pad_to_chunks(
            align_left(target, self.pad), chunk=self.chunk, pad=self.pad
        )
        latents = latent_mask(words.ne(self.pad), self.chunk).any(dim=0).sum()
        return words[:, : int(latents) * self.chunk]

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeds words. Shape: (B, T) → (B, T, C)."""
        return self.embed_tokens(tokens) * self.cfg.encoder_embed_dim**0.5

    def embed_shown(self, words: Tensor, shown: Tensor) -> Tensor:
        """Embeds shown words, and one symbol for the hidden. Shape: (B, T, C)."""
        return torch.where(shown.unsqueeze(-1), self.embed(words), self.hidden_word)

    def embed_noisy(self, words: Tensor) -> Tensor:
        """Embeds words for the compressor, with noise in training.

        Shape: (B, T) → (B, T, C).
        """
        dropout, distance = (
            self.cfg.compressor_word_dropout,
            self.cfg.compressor_shuffle,
        )
        if not self.training or not (dropout or distance):
            return self.embed(words)
        noisy = shuffle_locally(words, self.pad, distance=distance)
        return self.embed_shown(noisy, draw_kept(noisy, self.pad, dropout))

    def project(self, states: Tensor) -> Tensor:
        """Scores the vocabulary. Shape: (..., C) → (..., V)."""
        return F.linear(states, self.embed_tokens.weight)

    def set_num_updates(self, num_updates: int) -> None:
        """Tells the schedules how many updates there were; fairseq calls it."""
        super().set_num_updates(num_updates)
        self.num_updates = num_updates

    def load_state_dict(
        self, state_dict: dict[str, Any], strict: bool = True, **rest: Any
    ) -> object:
        """Loads a checkpoint's weights.

        Raises:
            RuntimeError: if they are those of another dictionary or architecture.
        """
        with naming_other_sizes():
            return super().load_state_dict(state_dict, strict, **rest)

    def max_positions(self) -> tuple[int, int]:
        """Longest source and target, in subword tokens."""
        return self.cfg.max_source_positions, self.cfg.max_target_positions

    def get_normalized_probs(
        self,
        net_output: TrainingOutput,
        log_probs: bool,
        sample: Optional[dict[str, Any]] = None,
    ) -> Tensor:
        """Normalises the hidden words' logits in float32. Shape: (P, V)."""
        normalise = F.log_softmax if log_probs else F.softmax
        return normalise(net_output.word_logits.float(), dim=-1)

    def init_from_teacher(self, path: str) -> int:
        """Copies embeddings and layers of an autoregressive teacher.

        Encoder layers go to the encoder, decoder layers to the parallel decoder and,
        the first ones, to the latent predictor. The layers must be pre-norm.

        Args:
            path: a fairseq Transformer's checkpoint.

        Returns:
            How many tensors were copied.

        Raises:
            ValueError: if the teacher's shapes do not fit.
        """
        return copy_weights(self, for_student(load_weights(path)), path)
