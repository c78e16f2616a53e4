"""Copies what text needs into a folder that is to be complete in itself."""

import json
import shutil
from pathlib import Path
from typing import Any

from .codec import PREFIXES, TEXT_FILE, Text
from .folder import CODES, read_description
from .tokenizer import prefixes_of


def dictionary_name(language: str) -> str:
    """Returns the name of a dictionary's file."""
    return f"dict.{language}.txt"


def write_texts(dictionaries: dict[str, Any], data: Path, folder: Path) -> None:
    """Writes what text needs: dictionaries, subword codes, lists of abbreviations.

    The same data gives the same bytes, also from a folder that was written so.

    Args:
        dictionaries: fairseq's of source and target, by language, in this order.
        data: folder with `text.json` and the subword codes.
        folder: where to.

    Raises:
        BadFile: if the folder's own files cannot be read.
    """
    Text(data)  # what cannot be read is refused here, not when the folder is used
    for language, dictionary in dictionaries.items():
        dictionary.save(str(folder / dictionary_name(language)))
    recipe = read_description(data)
    codes = CODES[recipe["bpe"]]
    shutil.copyfile(data / codes, folder / codes)
    recipe.pop("sha256", None)  # of files that are written anew here
    # The text may have been prepared for the other direction.
    recipe |= dict(zip(("source_lang", "target_lang"), dictionaries, strict=True))
    if recipe.get("tokenizer") == "moses":
        recipe[PREFIXES] = {name: prefixes_of(name) for name in dictionaries}
    text = json.dumps(recipe, indent=1, ensure_ascii=False) + "\n"
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
