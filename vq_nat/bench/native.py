"""Runs a system by the engine of this project, exported beside its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .. import load
from ..engine.folder import FORMAT
from ..engine.weights import FORMATS
from ..results.rows import Sizes
from ..translation.export import export_checkpoint, exported_folder
from .exports import number_format_of
from .loaded import LoadedEngine


class NativeEngine(LoadedEngine):
    """A latent model or an autoregressive one, and its teacher, as folders.

    Args:
        checkpoint: of the model.
        device: "cpu".
        threads: that compute.
        decoding: options of `vq_nat.load`, `compute_type` (int8 or float32) and `data`.

    Raises:
        ValueError: for a number format that it does not have.
    """

    def __init__(
        self, checkpoint: Path, device: str, threads: int, decoding: Mapping[str, Any]
    ) -> None:
        options = dict(decoding)
        number_format = number_format_of(options, FORMATS)
        kind = f"engine{FORMAT}-{number_format}"
        export = partial(
            export_checkpoint,
            data=options.pop("data", None),
            number_format=number_format,
        )
        if options.get("teacher") is not None:
            teacher = Path(options["teacher"])
            options["teacher"] = exported_folder(teacher, kind, export)
        folder = exported_folder(checkpoint, kind, export)
        translator = load(folder, device=device, threads=threads, **options)
        super().__init__(translator, options)

    def describe(self) -> Sizes:
        """Names sizes and number format; None for what the model does not have."""
        description, latent = self.translator.description, self.translator.parallel
        learned = description.get("codes") == "learned"
        return {
            "parameters": description["parameters"],
            "dtype": description["number_format"],
            "beam": self.beam,
            "passes": self.refinements,
            "n_c": description["chunk"].bit_length() - 1 if learned else None,
            "words_per_code": description["chunk"] if latent else None,
            "n_s": description.get("samples"),
            "codebook_size": description["codes_per_slice"] if learned else None,
            "slices": description["slices"] if learned else None,
        }
