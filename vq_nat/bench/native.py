"""Runs a system by the engine of this project, exported beside its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .. import load
from ..engine.folder import FORMAT, is_folder, read_description
from ..engine.weights import FORMATS
from ..results.rows import Sizes
from ..translation.export import export_checkpoint, exported_folder
from .exports import number_format_of
from .loaded import LoadedEngine


class NativeEngine(LoadedEngine):
    """A latent model or an autoregressive one, and its teacher, as folders.

    Args:
        checkpoint: of the model, or a folder that it was exported to.
        device: "cpu".
        threads: that compute.
        decoding: options of `vq_nat.load`, `compute_type` (int8 or float32) and `data`.

    Raises:
        ValueError: for a number format that it, or the folder, does not have.
    """

    def __init__(
        self, checkpoint: Path, device: str, threads: int, decoding: Mapping[str, Any]
    ) -> None:
        options = dict(decoding)
        if is_folder(checkpoint):
            refuse_other_folder(checkpoint, options)
            translator = load(checkpoint, device=device, threads=threads, **options)
            super().__init__(translator, options)
            return
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


def refuse_other_folder(folder: Path, options: dict[str, Any]) -> None:
    """Takes out of the options what a folder has settled already.

    Raises:
        ValueError: if they ask for another number format than the folder's.
    """
    options.pop("data", None)
    own = read_description(folder)["number_format"]
    wanted = options.pop("compute_type", own)
    if wanted != own:
        raise ValueError(
            f"`compute_type` must be {own!r}, as {folder} was exported, but is "
            f"{wanted!r} instead."
        )
