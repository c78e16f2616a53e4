"""Options of the learned prior and its named sizes.

No `from __future__ import annotations` here: fairseq turns the fields into flags and
needs real types.
"""

from dataclasses import dataclass, field
from typing import Any

from fairseq.dataclass import FairseqDataclass


@dataclass
class CodePriorConfig(FairseqDataclass):
    """The prior's flags, named as fairseq names those of a language model."""

    decoder_embed_dim: int = field(default=512, metadata={"help": "width C"})
    decoder_ffn_embed_dim: int = field(
        default=2048, metadata={"help": "width of the feed-forward parts"}
    )
    decoder_attention_heads: int = field(
        default=8, metadata={"help": "attention heads, must divide the width"}
    )
    decoder_layers: int = field(default=8, metadata={"help": "layers"})
    dropout: float = field(default=0.1, metadata={"help": "dropout probability"})


PRESETS: dict[str, dict[str, Any]] = {
    "cifar10": {},
    "cifar10_tiny": {
        "decoder_embed_dim": 128,
        "decoder_ffn_embed_dim": 512,
        "decoder_attention_heads": 4,
        "decoder_layers": 3,
    },
}
