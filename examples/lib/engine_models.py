"""Owns the models that engines are compared on: sizes, with random weights."""

from __future__ import annotations

import random
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.transformer import TransformerModel, base_architecture

from vq_nat.translation import VQEMTransformer, VQEMTransformerConfig

LONGEST = 256  # words of a sentence
LATENT = ("VQ", "words")  # kinds of codes; names of models begin with them
ARCHITECTURE = "vq_em_transformer_base"
TRANSLATIONS, ALWAYS = 30, 200  # of each source word on a shortlist; for all of them


@dataclass(frozen=True)
class Size:
    """A size of all models, and the words that the comparison is about."""

    width: int
    ffn: int
    heads: int
    vocabulary: int
    layers: int  # of each stage
    codes: int  # K
    words: int  # of a usual sentence

    @property
    def deep(self) -> int:
        """Layers of the encoder before a decoder of one."""
        return 2 * self.layers

    def latent(self, name: str) -> str:
        """Names the latent model with such an encoder, and few layers behind it."""
        return f"{name} {self.deep}+1+2"


SIZES = {
    "toy": Size(32, 64, 4, 400, 1, 16, 5),
    "small": Size(192, 768, 4, 6_000, 3, 512, 13),  # the Multi30k preset
    "base": Size(512, 2048, 8, 32_000, 6, 4096, 27),  # the paper's
    "big": Size(1024, 4096, 16, 32_000, 6, 4096, 27),
}


def dictionary_of(size: Size) -> Dictionary:
    """Returns a dictionary of words that mean nothing."""
    dictionary = Dictionary()
    for number in range(size.vocabulary - len(dictionary)):
        dictionary.add_symbol(f"w{number}")
    return dictionary


def is_latent(model: str) -> bool:
    """Tells whether the name of a model is that of a latent one."""
    return model.split()[0] in LATENT


def latent_layers(size: Size, model: str) -> tuple[int, int, int]:
    """Returns the layers of encoder, predictor and decoder.

    Args:
        size: says how many they are, unless the name does.
        model: such as "VQ" or "VQ 12+1+2".
    """
    _, *own = model.split()
    if not own:
        return size.layers, size.layers, size.layers
    encoder, predictor, decoder = map(int, own[0].split("+"))
    return encoder, predictor, decoder


def build_latent(size: Size, model: str) -> VQEMTransformer:
    """Builds a latent model of a name with random weights."""
    encoder, predictor, decoder = latent_layers(size, model)
    options: dict[str, object] = {"compression_steps": 3}
    if model.startswith("words"):
        options = {"vq_kind": "words", "words_per_code": 2}
    torch.manual_seed(1)
    arguments = Namespace(
        encoder_embed_dim=size.width,
        encoder_ffn_embed_dim=size.ffn,
        encoder_attention_heads=size.heads,
        encoder_layers=encoder,
        predictor_layers=predictor,
        decoder_layers=decoder,
        vq_num_codes=size.codes,
        vq_init="random",
        max_source_positions=LONGEST,
        max_target_positions=LONGEST,
        **options,
    )
    ARCH_CONFIG_REGISTRY[ARCHITECTURE](arguments)
    cfg = VQEMTransformerConfig.from_namespace(arguments)
    kind = VQEMTransformer.kinds.get(cfg.vq_kind, VQEMTransformer)
    return kind(cfg, vocabulary=size.vocabulary, pad=dictionary_of(size).pad()).eval()


def build_autoregressive(size: Size, *, encoder: int, decoder: int) -> TransformerModel:
    """Builds fairseq's Transformer with random weights, pre-norm, embeddings shared."""
    torch.manual_seed(1)
    both = {
        "embed_dim": size.width,
        "ffn_embed_dim": size.ffn,
        "attention_heads": size.heads,
        "normalize_before": True,
    }
    sides = {f"{s}_{k}": v for s in ("encoder", "decoder") for k, v in both.items()}
    arguments = Namespace(
        **sides,
        encoder_layers=encoder,
        decoder_layers=decoder,
        share_all_embeddings=True,
        max_source_positions=LONGEST,
        max_target_positions=LONGEST,
    )
    base_architecture(arguments)
    words = dictionary_of(size)
    task = SimpleNamespace(source_dictionary=words, target_dictionary=words)
    return TransformerModel.build_model(arguments, task).eval()


def draw_sources(
    size: Size, words: int, *, count: int, seed: int = 1
) -> list[list[int]]:
    """Draws sentences of so many words and their end."""
    draw, special = random.Random(seed), dictionary_of(size).nspecial
    return [
        [*(draw.randrange(special, size.vocabulary) for _ in range(words)), 2]
        for _ in range(count)
    ]


class ShortList:
    """A random shortlist, as large as one from data would be.

    Args:
        size: of the models.
    """

    def __init__(self, size: Size) -> None:
        draw, special = random.Random(2), dictionary_of(size).nspecial
        self.size = size
        every = range(special, size.vocabulary)
        self.always = list(every[:ALWAYS])
        self.words = {
            word: draw.sample(every, min(TRANSLATIONS, len(every))) for word in every
        }

    def lexicon(self) -> Any:
        """Returns it as the engine wants it."""
        from vq_nat.engine.shortlist import lexicon_of

        size = self.size.vocabulary
        return lexicon_of(self.words, self.always, sources=size, targets=size)

    def write_map(self, path: Path) -> Path:
        """Writes it as CTranslate2's `vmap`: a source word, its translations."""
        symbols = dictionary_of(self.size).symbols

        def line(word: str, allowed: list[int]) -> str:
            return f"{word}\t{' '.join(symbols[one] for one in allowed)}\n"

        with open(path, "w", encoding="utf-8") as file:
            file.write(line("", self.always))
            for word, allowed in self.words.items():
                file.write(line(symbols[word], allowed))
        return path
