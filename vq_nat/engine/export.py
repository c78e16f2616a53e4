"""Writes a trained model as a folder that needs nothing else."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..files import hashes, new_folder
from ..text.copying import write_texts
from .folder import DESCRIPTION, FORMAT, WEIGHTS
from .packing import write_tensors
from .weights import describe, tensors_of


def export(
    model: Any,
    dictionaries: dict[str, Any],
    data: Path,
    out: Path,
    number_format: str = "int8",
    version: str = "",
    trained_source: int | None = None,
    about: Mapping[str, Any] | None = None,
    card: Callable[[Path], object] | None = None,
) -> None:
    """Writes a folder that `vq_nat.load` reads; it appears when it is complete.

    Args:
        model: a latent model, or an autoregressive Transformer of fairseq.
        dictionaries: source and target, by language, in this order.
        data: folder with `text.json` and the subword codes.
        out: the folder, which must not exist yet.
        number_format: "int8", or "float32".
        version: of vq-nat.
        trained_source: how long the sources of its training were, see `Limits`.
        about: what else the description says, for readers.
        card: writes a page for readers into the folder, from its description.

    Raises:
        ValueError: for a model or number format that the engine does not serve, or if
            `out` exists.
    """
    with new_folder(out) as folder:
        write_tensors(folder / WEIGHTS, tensors_of(model, number_format))
        write_texts(dictionaries, data, folder)
        description = {
            "format": FORMAT,
            "version": version,
            "number_format": number_format,
            **describe(model, dictionaries),
            "trained_source": trained_source,
            "about": dict(about or {}),
            "files": hashes(folder),
        }
        text = json.dumps(description, indent=1) + "\n"
        (folder / DESCRIPTION).write_text(text, encoding="utf-8")
        if card is not None:
            card(folder)
