"""Writes a trained model as a folder that needs nothing else."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..files import hashes
from ..text.codec import PREFIXES, TEXT_FILE, Text
from ..text.folder import read_description
from ..text.tokenizer import prefixes_of
from .folder import DESCRIPTION, FORMAT, TEXTS, WEIGHTS, dictionary_name
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

    Raises:
        ValueError: for a model or number format that the engine does not serve, or if
            `out` exists.
    """
    if out.exists():
        raise ValueError(f"{out} must not exist yet, but does.")
    tensors = tensors_of(model, number_format)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tmp-") as name:
        folder = Path(name) / "export"
        folder.mkdir()
        write_tensors(folder / WEIGHTS, tensors)
        write_texts(dictionaries, data, folder)
        description = {
            "format": FORMAT,
            "version": version,
            "number_format": number_format,
            **describe(model, dictionaries),
            "trained_source": trained_source,
            "files": hashes(folder),
        }
        text = json.dumps(description, indent=1) + "\n"
        (folder / DESCRIPTION).write_text(text, encoding="utf-8")
        folder.rename(out)


def write_texts(dictionaries: dict[str, Any], data: Path, folder: Path) -> None:
    """Writes what text needs: dictionaries, subword codes, lists of abbreviations.

    Raises:
        BadFile: if the folder's own files cannot be read.
    """
    Text(data)  # what cannot be read is refused here, not when the folder is used
    for language, dictionary in dictionaries.items():
        dictionary.save(str(folder / dictionary_name(language)))
    for file in TEXTS:
        if (data / file).is_file():
            shutil.copyfile(data / file, folder / file)
    recipe = read_description(data)
    recipe.pop("sha256", None)  # of files that are written anew here
    # The text may have been prepared for the other direction.
    recipe |= dict(zip(("source_lang", "target_lang"), dictionaries, strict=True))
    if recipe.get("tokenizer") == "moses":
        recipe[PREFIXES] = {name: prefixes_of(name) for name in dictionaries}
    text = json.dumps(recipe, indent=1, ensure_ascii=False) + "\n"
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
