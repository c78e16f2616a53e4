"""A small latent Transformer with random weights, and batches for it."""

from argparse import Namespace
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.transformer import TransformerModel, base_architecture

from vq_nat.translation import VQEMTransformer, VQEMTransformerConfig

PAD, EOS, VOCABULARY = 1, 2, 40


def build(**options: object) -> VQEMTransformer:
    """Builds the tiny preset at width 32, in evaluation mode unless told."""
    small = {
        "encoder_embed_dim": 32,
        "encoder_ffn_embed_dim": 64,
        "vq_num_codes": 16,
        "vq_init": "random",
        "vq_warmup_updates": 0,
        "latent_share_updates": 0,
        "max_source_positions": 64,
        "max_target_positions": 64,
        "dropout": 0.0,
        "shown_sentences": 0.0,
    }
    arguments = Namespace(**{**small, **options})
    ARCH_CONFIG_REGISTRY["vq_em_transformer_tiny"](arguments)
    cfg = VQEMTransformerConfig.from_namespace(arguments)
    kind = VQEMTransformer.kinds.get(cfg.model_kind, VQEMTransformer)
    return kind(cfg, vocabulary=VOCABULARY, pad=PAD).eval()


def batch(lengths: list[int], side: str = "right", extra: int = 0) -> torch.Tensor:
    """Draws sentences that end in EOS, padded on a side. Shape: (B, T)."""
    rows = torch.full((len(lengths), max(lengths) + extra), PAD)
    for row, length in zip(rows, lengths, strict=True):
        words = torch.randint(4, VOCABULARY, (length,))
        words[-1] = EOS
        if side == "right":
            row[:length] = words
        else:
            row[-length:] = words
    return rows


def pad(rows: torch.Tensor, side: str, extra: int) -> torch.Tensor:
    """Moves the padding of right-padded rows to a side and adds more of it."""
    lengths = rows.ne(PAD).sum(dim=1)
    out = torch.full((len(rows), rows.size(1) + extra), PAD)
    for new, row, length in zip(out, rows, lengths, strict=True):
        new[:length] = row[:length]
        if side == "left":
            new.copy_(new.roll(len(new) - int(length)))
    return out


def build_teacher(
    dictionary, pre_norm: bool, width: int = 32, **changed: Any
) -> TransformerModel:
    """Builds an autoregressive Transformer with random weights."""
    options = dict(
        encoder_embed_dim=width,
        decoder_embed_dim=width,
        encoder_ffn_embed_dim=64,
        decoder_ffn_embed_dim=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        share_all_embeddings=True,
        encoder_normalize_before=pre_norm,
        decoder_normalize_before=pre_norm,
        dropout=0.0,
        max_source_positions=64,
        max_target_positions=64,
    )
    args = Namespace(**{**options, **changed})
    base_architecture(args)
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return TransformerModel.build_model(args, task).eval()


@pytest.fixture
def make_teacher() -> Callable[..., TransformerModel]:
    """Builds a small autoregressive teacher."""
    return build_teacher


@pytest.fixture
def model() -> VQEMTransformer:
    """The small model, K = 16, n_c = 3, G = 1."""
    return build()


@pytest.fixture
def make_model() -> Callable[..., VQEMTransformer]:
    """Builds the small model with options."""
    return build


@pytest.fixture
def make_batch() -> Callable[..., torch.Tensor]:
    """Draws a batch of sentences."""
    return batch


@pytest.fixture
def repad() -> Callable[..., torch.Tensor]:
    """Moves or adds padding."""
    return pad


@pytest.fixture
def dictionary() -> Dictionary:
    """A dictionary of the model's size."""
    words = Dictionary()
    for index in range(VOCABULARY - len(words)):
        words.add_symbol(f"w{index}")
    return words
