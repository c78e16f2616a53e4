"""Owns `text.json`, which says how a corpus was prepared, for corpora made elsewhere.

It stands in the folder that fairseq-preprocess wrote, beside the dictionaries and the
subword codes, and holds four names: `source_lang` and `target_lang`, as in the names of
the files; `tokenizer`, which is moses, or space where the subword codes read raw text;
`bpe`, which is subword_nmt (its codes are `bpe.codes`) or sentencepiece (its model is
`sentencepiece.model`). `plain_quotes` may list the languages whose quotation marks are
made straight; without it both are.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from data_prep.lib.names import check_dictionary, check_languages
from data_prep.lib.plan import CODES
from data_prep.lib.steps import UserError, sha256, tell
from data_prep.lib.text import load_bpe, load_sentencepiece
from vq_nat.text.folder import QUOTES, TEXT_FILE


def describe_text(
    source: str, target: str, tokenizer: str, bpe: str, plain_quotes: bool = True
) -> dict[str, Any]:
    """Returns what `text.json` holds; `plain_quotes`: of the target, too."""
    description: dict[str, Any] = {
        "source_lang": source,
        "target_lang": target,
        "tokenizer": tokenizer,
        "bpe": bpe,
    }
    return description if plain_quotes else {**description, QUOTES: [source]}


def write_text_file(folder: Path, recipe: dict[str, Any]) -> Path:
    """Writes `text.json`, with the hashes of what a model's words are."""
    langs = recipe["source_lang"], recipe["target_lang"]
    names = [CODES[recipe["bpe"]], *(f"dict.{lang}.txt" for lang in langs)]
    recipe = {**recipe, "sha256": {name: sha256(folder / name) for name in names}}
    path = folder / TEXT_FILE
    path.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    return path


def describe_folder(
    folder: Path, langs: tuple[str, str], bpe: str, codes: Path | None = None
) -> None:
    """Writes the `text.json` of a folder that fairseq-preprocess wrote.

    Args:
        folder: holds the dictionaries, and the data.
        langs: source and target.
        bpe: kind of subwords.
        codes: is copied into the folder; None: they stand there already.

    Raises:
        UserError: if something is missing, or cannot be read.
    """
    check_languages(*langs)
    for lang in langs:
        path = folder / f"dict.{lang}.txt"
        if not path.is_file():
            raise UserError(
                f"The file {path} is missing; --describe wants the folder that "
                "fairseq-preprocess wrote, and its languages."
            )
        check_dictionary(path)
    place = folder / CODES[bpe]
    if codes is not None and not codes.is_file():
        raise UserError(f"The file of BPE codes, {codes}, is missing.")
    if codes is None and not place.is_file():
        raise UserError(f"The file {place} is missing; --bpe-codes FILE puts it there.")
    load = load_bpe if bpe == "subword_nmt" else load_sentencepiece
    load(codes or place)
    if codes is not None and codes.resolve() != place.resolve():
        shutil.copyfile(codes, place)
    tokenizer = "moses" if bpe == "subword_nmt" else "space"
    tell(f"ready: {write_text_file(folder, describe_text(*langs, tokenizer, bpe))}")
