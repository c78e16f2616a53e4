"""Options of the latent Transformer and its named sizes.

No `from __future__ import annotations` here: fairseq turns the fields into flags and
needs real types.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from fairseq.dataclass import FairseqDataclass
from omegaconf import II

from ..bottleneck import BottleneckConfig, member


class LayerSize(NamedTuple):
    """Sizes of a Transformer's layer, by the names of its arguments."""

    width: int  # C
    heads: int
    ffn: int
    dropout: float


class TransformerSize(NamedTuple):
    """What all stages have in common, but for their dropout."""

    width: int  # C
    ffn: int
    heads: int
    dropout: float
    max_positions: int

    @property
    def layer(self) -> LayerSize:
        """What every layer of a `TransformerStack` is made of."""
        return LayerSize(self.width, self.heads, self.ffn, self.dropout)


TRANSFORMER = "transformer"  # the stages of this package
WORDS = "words"  # the kind of codes that needs no bottleneck
NONE = "none"  # no codes at all: the decoder reads the source's states
POSITIONS, CTC = "positions", "ctc"  # how words and the decoder's positions are aligned
KINDS = BottleneckConfig.__dataclass_fields__["vq_kind"].metadata["help"]


@dataclass
class VQEMTransformerConfig(FairseqDataclass, BottleneckConfig):
    """The model's flags; those of the bottleneck begin with `--vq-`."""

    vq_kind: str = field(
        default="vq",
        metadata={
            "help": f"{KINDS}; or {WORDS}: the code of a chunk is its last word, and "
            f"nothing is compressed; or {NONE}, with --alignment {CTC}: no codes, the "
            "decoder reads the states of the source"
        },
    )
    alignment: str = field(
        default=POSITIONS,
        metadata={
            "help": f"{POSITIONS}: each word has its place; {CTC}: the decoder has "
            "more positions than words, which are found by connectionist temporal "
            "classification (Graves et al. 2006; Libovický and Helcl 2018)"
        },
    )
    alignment_doublings: int = field(
        default=1,
        metadata={
            "help": f"with --alignment {CTC}: 2^N positions of the decoder for each "
            f"word of a chunk, or with --vq-kind {NONE} for each word of the source"
        },
    )
    words_per_code: int = field(
        default=0,
        metadata={
            "help": "k, with --vq-kind words: words of a chunk, at least 2; 0 = "
            "2^n_c of --compression-steps"
        },
    )
    encoder_embed_dim: int = field(
        default=512, metadata={"help": "width C of all stages"}
    )
    encoder_ffn_embed_dim: int = field(
        default=2048, metadata={"help": "width of the feed-forward parts"}
    )
    encoder_attention_heads: int = field(
        default=8, metadata={"help": "attention heads, must divide the width"}
    )
    encoder_layers: int = field(default=6, metadata={"help": "encoder layers"})
    predictor_layers: int = field(
        default=6, metadata={"help": "layers of the latent predictor"}
    )
    decoder_layers: int = field(
        default=6, metadata={"help": "layers of the parallel decoder"}
    )
    latent_predictor: str = field(
        default=TRANSFORMER,
        metadata={
            "help": "class of the latent predictor, by the name it is registered by"
        },
    )
    parallel_decoder: str = field(
        default=TRANSFORMER,
        metadata={
            "help": "class of the parallel decoder, by the name it is registered by"
        },
    )
    compressor_blocks: int = field(
        default=1, metadata={"help": "residual convolutions before the halvings"}
    )
    compressor_source_attention: bool = field(
        default=False, metadata={"help": "let the compressor attend to the source"}
    )
    compressor_word_dropout: float = field(
        default=0.0,
        metadata={
            "help": "share of the words that are hidden from the compressor in "
            "training; they are reconstructed all the same"
        },
    )
    compressor_shuffle: int = field(
        default=0,
        metadata={
            "help": "places by which words may be shuffled before the compressor in "
            "training (Lample et al. 2018 take 3)"
        },
    )
    compression_steps: int = field(
        default=3,
        metadata={"help": "n_c: halvings of the target, 2^n_c words per code"},
    )
    dropout: float = field(default=0.1, metadata={"help": "dropout probability"})
    compressor_dropout: Optional[float] = field(
        default=None, metadata={"help": "that of the compressor (default: --dropout)"}
    )
    predictor_dropout: Optional[float] = field(
        default=None, metadata={"help": "that of the predictor (default: --dropout)"}
    )
    decoder_dropout: Optional[float] = field(
        default=None, metadata={"help": "that of the decoder (default: --dropout)"}
    )
    latent_share_updates: int = field(
        default=50000,
        metadata={
            "help": "updates over which the decoder's input turns from shown words to "
            "latents: share = lin(0.01→1 over N) · exp(0.01→1 over N/4); 0 = at once"
        },
    )
    shown_sentences: float = field(
        default=0.0,
        metadata={
            "help": "share of the sentences that show a random part of their words to "
            "the decoder during the whole training, which teaches it to refine"
        },
    )
    vq_prior_weight: float = field(
        default=0.0,
        metadata={
            "help": "vq: λ of the predictor's word in the E-step, q(j) ∝ "
            "exp(-distance / temperature + λ log p(j | codes before, source))"
        },
    )
    vq_rate_weight: float = field(
        default=0.0,
        metadata={
            "help": "vq: weight of the rate -E_q log p in the loss, which moves the "
            "compressor's vectors towards codes that can be predicted"
        },
    )
    vq_prior_start: int = field(
        default=0,
        metadata={"help": "updates before which the two weights are 0"},
    )
    vq_prior_updates: int = field(
        default=0,
        metadata={"help": "updates over which they then grow; 0 = at once"},
    )
    init_from_teacher: Optional[str] = field(
        default=None,
        metadata={
            "help": "checkpoint of a pre-norm fairseq Transformer of the same width, "
            "whose embeddings and layers the student starts from"
        },
    )
    max_source_positions: int = II("task.max_source_positions")
    max_target_positions: int = II("task.max_target_positions")

    @property
    def size(self) -> TransformerSize:
        """What all stages have in common."""
        longest = max(self.max_source_positions, self.max_target_positions)
        return TransformerSize(
            width=self.encoder_embed_dim,
            ffn=self.encoder_ffn_embed_dim,
            heads=self.encoder_attention_heads,
            dropout=self.dropout,
            max_positions=longest + self.chunk,
        )

    @property
    def chunk(self) -> int:
        """Words per code, k."""
        if self.vq_kind == NONE:
            return 1
        return self.words_per_code or 2**self.compression_steps

    @property
    def model_kind(self) -> str:
        """The name of the model's class, see `VQEMTransformer.kinds`."""
        aligned = self.alignment == CTC and self.vq_kind != NONE
        return CTC if aligned else self.vq_kind

    def size_of(self, stage: str) -> TransformerSize:
        """What all stages have in common, with the dropout of one of them."""
        own: Optional[float] = getattr(self, f"{stage}_dropout")
        return self.size if own is None else self.size._replace(dropout=own)


LEAST = {
    "alignment_doublings": 1,
    "encoder_layers": 1,
    "predictor_layers": 1,
    "decoder_layers": 1,
    "compressor_blocks": 0,
    "compressor_shuffle": 0,
    "compression_steps": 0,
    "latent_share_updates": 0,
    "words_per_code": 0,
    "vq_prior_weight": 0,
    "vq_rate_weight": 0,
    "vq_prior_start": 0,
    "vq_prior_updates": 0,
}
PRIOR_WEIGHTS = ("vq_prior_weight", "vq_rate_weight")
DROPOUTS = ("dropout", "compressor_dropout", "predictor_dropout", "decoder_dropout")


def check(cfg: VQEMTransformerConfig) -> None:
    """Refuses options of the model that cannot work.

    Raises:
        ValueError: naming the option.
    """
    for name, least in LEAST.items():
        value = getattr(cfg, name)
        if not least <= value < math.inf:  # nor what is no number
            bound = " and finite" if name in PRIOR_WEIGHTS else ""
            raise ValueError(
                f"`{name}` must be at least {least}{bound}, but is {value} instead."
            )
    for name in ("compressor_word_dropout", *DROPOUTS):
        share = getattr(cfg, name)
        if share is not None and not 0 <= share < 1:
            raise ValueError(
                f"`{name}` must be at least 0 and below 1, but is {share} instead."
            )
    check_chunk(cfg)
    check_alignment(cfg)
    for name in PRIOR_WEIGHTS:
        if getattr(cfg, name) and not takes_prior(cfg.vq_kind):
            raise ValueError(
                f"`{name}` must be 0 with `vq_kind` {cfg.vq_kind!r}, but is "
                f"{getattr(cfg, name)} instead."
            )
    if not 0 <= cfg.shown_sentences <= 1:
        raise ValueError(
            "`shown_sentences` must be from 0 to 1, "
            f"but is {cfg.shown_sentences} instead."
        )


def takes_prior(kind: str) -> bool:
    """Tells whether the predictor has a say in which codes of a kind are chosen."""
    return kind not in (WORDS, NONE) and member(kind).takes_prior


def check_alignment(cfg: VQEMTransformerConfig) -> None:
    """Refuses options that do not work with words without a place of their own.

    Raises:
        ValueError: naming the option.
    """
    known = (POSITIONS, CTC)
    if cfg.alignment not in known:
        raise ValueError(
            f"`alignment` must be one of {', '.join(known)}, but is "
            f"{cfg.alignment!r} instead."
        )
    if cfg.alignment == POSITIONS:
        if cfg.vq_kind == NONE:
            raise ValueError(
                f"`alignment` must be {CTC!r} with `vq_kind` {NONE!r}, but is "
                f"{POSITIONS!r} instead: nothing else says how long an output is."
            )
        return
    if cfg.vq_kind == WORDS:
        raise ValueError(
            f"`alignment` must be {POSITIONS!r} with `vq_kind` {WORDS!r}, but is "
            f"{CTC!r} instead: the words of the codes have their places."
        )
    for name in ("shown_sentences", "latent_share_updates"):
        if getattr(cfg, name):
            raise ValueError(
                f"`{name}` must be 0 with `alignment` {CTC!r}, but is "
                f"{getattr(cfg, name)} instead: words have no place to be shown at."
            )


def check_chunk(cfg: VQEMTransformerConfig) -> None:
    """Refuses a number of words per code that the kind of codes does not have.

    Raises:
        ValueError: naming the option.
    """
    if cfg.vq_kind != WORDS and cfg.words_per_code:
        raise ValueError(
            f"`words_per_code` must be 0 with `vq_kind` {cfg.vq_kind!r}, but is "
            f"{cfg.words_per_code} instead: use `compression_steps`."
        )
    if cfg.vq_kind == WORDS and cfg.latent_predictor != TRANSFORMER:
        raise ValueError(
            f"`latent_predictor` must be {TRANSFORMER!r} with `vq_kind` 'words', which "
            f"has its own, but is {cfg.latent_predictor!r} instead."
        )
    if cfg.vq_kind == WORDS and cfg.chunk < 2:
        raise ValueError(
            "`words_per_code` must be at least 2 with `vq_kind` 'words', but is "
            f"{cfg.chunk} instead: all words would be codes."
        )


# A short training needs an EMA window 1/(1-λ) that is short beside it, a codebook that
# starts from data and a temperature that follows the distances. At 0.3 of the distance
# to the second nearest code the posterior drifted towards uniform (4.3 of 6.2 nats).
SHORT_TRAINING: dict[str, Any] = {
    "vq_decay": 0.99,
    "vq_init": "data",
    "vq_restart_after": 100,
    "vq_temperature": 0.05,
    "vq_temperature_scale": "relative",
    "shown_sentences": 0.1,
}

# The default of the criterion's `--latent-loss-start` for each size below.
LATENT_LOSS_START = {"tiny": 0, "small": 0, "base": 50000, "big": 50000}

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {
        **SHORT_TRAINING,
        "encoder_embed_dim": 128,
        "encoder_ffn_embed_dim": 512,
        "encoder_attention_heads": 4,
        "encoder_layers": 2,
        "predictor_layers": 2,
        "decoder_layers": 2,
        "vq_num_codes": 256,
        "vq_warmup_updates": 100,
        "latent_share_updates": 200,
    },
    "small": {
        **SHORT_TRAINING,
        "encoder_embed_dim": 256,
        "encoder_ffn_embed_dim": 1024,
        "encoder_attention_heads": 4,
        "encoder_layers": 3,
        "predictor_layers": 2,
        "decoder_layers": 3,
        "vq_num_codes": 512,
        "vq_warmup_updates": 200,
        "latent_share_updates": 400,
    },
    "base": {},
    "big": {
        "encoder_embed_dim": 1024,
        "encoder_ffn_embed_dim": 4096,
        "encoder_attention_heads": 16,
    },
}
