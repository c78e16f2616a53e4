"""Owns what runs a system: torch, ONNX Runtime, our own engine, or CTranslate2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from .. import load
from ..engine.folder import is_folder
from ..files import sha256
from ..results.rows import LatentSizes, Sizes
from ..results.versions import distribution_version
from ..translation.ctranslate2 import CTranslate2Translator
from ..translation.export import exported_folder
from ..translation.flow import is_latent
from ..translation.onnx.export import export_checkpoint
from ..translation.onnx.runtime import FORMAT
from ..translation.translator import Translator
from .exports import number_format_of
from .loaded import LoadedEngine
from .native import NativeEngine

ENGINES = ("torch", "onnx", "ctranslate2", "vq-nat")
ON_CPU = ("onnx", "vq-nat")  # that run nowhere else
COMPUTE_TYPES = ("float32", "int8")  # of exported graphs


class Engine(Protocol):
    """Translates text, and describes itself for a row."""

    def translate(
        self,
        sentences: list[str],
        batch_size: int,
        references: list[str] | None = None,
    ) -> list[str]:
        """Translates raw sentences."""

    def describe(self) -> Sizes:
        """Names sizes and number format for a row."""


class TorchEngine(LoadedEngine):
    """Our own decoding, of our models and of fairseq's.

    Args:
        checkpoint: of the model.
        device: where.
        autocast: see `--autocast`; `decoding` may say otherwise.
        decoding: options of `vq_nat.load`.
    """

    def __init__(
        self,
        checkpoint: Path,
        device: str,
        autocast: str,
        decoding: Mapping[str, Any],
    ) -> None:
        options = {"autocast": autocast, **decoding}
        self.autocast = options["autocast"]
        super().__init__(load(checkpoint, device=device, **options), options)

    def describe(self) -> Sizes:
        """Names the sizes that matter; None for what the model does not have."""
        parameters, dtype = self.describe_numbers()
        return {
            "parameters": parameters,
            "dtype": dtype,
            "beam": self.beam,
            "passes": self.refinements,
            **self.describe_latents(),
        }

    def describe_latents(self) -> LatentSizes:
        """Names the sizes of a latent model."""
        latent = is_latent(self.translator.model)
        return describe_latents(self.translator) if latent else NO_LATENTS

    def describe_numbers(self) -> tuple[int, str]:
        """Returns how many weights there are, and the type of products."""
        sizes = getattr(self.translator.model, "sizes", None)
        if sizes:  # of an exported model
            return sizes["parameters"], sizes["dtype"]
        parameters = list(self.translator.model.parameters())
        dtype = describe_dtype(parameters[0].dtype, self.autocast)
        return sum(p.numel() for p in parameters), dtype


class OnnxEngine(TorchEngine):
    """A latent model as ONNX graphs, exported beside its checkpoint when needed.

    Args:
        checkpoint: of the model.
        device: "cpu".
        decoding: options of `vq_nat.load`, and `compute_type` (float32 or int8).
    """

    def __init__(
        self, checkpoint: Path, device: str, decoding: Mapping[str, Any]
    ) -> None:
        options = dict(decoding)
        compute_type = number_format_of(options, COMPUTE_TYPES)
        export = partial(
            export_checkpoint,
            data=options.pop("data", None),
            int8=compute_type == "int8",
        )
        folder = exported_folder(checkpoint, f"onnx{FORMAT}-{compute_type}", export)
        super().__init__(folder, device, "none", options)


class CTranslate2Engine:
    """An autoregressive model on CTranslate2.

    Args:
        checkpoint: of the model.
        device: where.
        threads: of the CPU.
        decoding: `beam`, `compute_type`, `shortlist` and `data`.
    """

    def __init__(
        self, checkpoint: Path, device: str, threads: int, decoding: Mapping[str, Any]
    ) -> None:
        self.translator = CTranslate2Translator(
            checkpoint, device=device, threads=threads, **decoding
        )

    def translate(
        self,
        sentences: list[str],
        batch_size: int,
        references: list[str] | None = None,
    ) -> list[str]:
        """Translates raw sentences."""
        return self.translator.translate(sentences, batch_size)

    def describe(self) -> Sizes:
        """Names sizes and number format."""
        return {
            "parameters": self.translator.parameters,
            "dtype": self.translator.compute_type,
            "beam": self.translator.beam,
            "passes": None,
            **NO_LATENTS,
        }


def open_engine(
    engine: str,
    checkpoint: Path,
    decoding: Mapping[str, Any],
    device: str,
    threads: int,
    autocast: str = "none",
) -> Engine:
    """Loads a model.

    Raises:
        FileNotFoundError: if the checkpoint is missing.
        ValueError: for an unknown engine, or options that it does not have.
    """
    if engine not in ENGINES:
        raise ValueError(
            f"`engine` must be one of {', '.join(ENGINES)}, but is {engine!r} instead."
        )
    if engine != "vq-nat" and is_folder(checkpoint):
        raise ValueError(
            f"`engine` must be 'vq-nat' for {checkpoint}, which is exported for it, "
            f"but is {engine!r} instead."
        )
    if engine == "torch":
        return TorchEngine(checkpoint, device, autocast, decoding)
    if engine == "onnx":
        return OnnxEngine(checkpoint, device, decoding)
    if engine == "vq-nat":
        return NativeEngine(checkpoint, device, threads, decoding)
    return CTranslate2Engine(checkpoint, device, threads, decoding)


def engine_versions(engine: str) -> dict[str, str]:
    """Returns the version of an engine that is not part of every row."""
    packages = {"onnx": "onnxruntime", "ctranslate2": "ctranslate2"}
    if engine not in packages:
        return {}
    return {packages[engine]: distribution_version(packages[engine])}


NO_LATENTS: LatentSizes = {
    "n_c": None,
    "words_per_code": None,
    "n_s": None,
    "codebook_size": None,
    "slices": None,
}


def describe_latents(translator: Translator) -> LatentSizes:
    """Names the sizes of the latents."""
    options = translator.model.cfg
    soft = options.vq_assign == "soft" and options.vq_kind == "vq"
    if options.vq_kind == "none":
        return NO_LATENTS
    if options.vq_kind == "words":
        words = options.words_per_code or 2**options.compression_steps
        return {**NO_LATENTS, "words_per_code": words}
    return {
        "n_c": options.compression_steps,
        "words_per_code": 2**options.compression_steps,
        "n_s": options.vq_num_samples if soft else None,
        "codebook_size": options.vq_num_codes,
        "slices": options.vq_slices,
    }


def describe_dtype(dtype: torch.dtype, autocast: str) -> str:
    """Names the type of weights and, under autocast, of products."""
    name = str(dtype).removeprefix("torch.")
    return name if autocast == "none" else f"{name}, autocast {autocast}"


def describe_decoding(decoding: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options without paths, which mean nothing elsewhere.

    Of a shortlist the hash is told in place of its path.
    """
    told = {k: v for k, v in decoding.items() if k != "data"}
    if told.get("teacher"):
        told["teacher"] = True
    if told.get("shortlist"):
        told["shortlist"] = sha256(told["shortlist"])
    return told
