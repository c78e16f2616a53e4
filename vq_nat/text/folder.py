"""Owns what a folder says of its text: `text.json`, dictionaries and subword codes.

Folders are passed on: what they say is checked before anything is looked up by it.
"""

from pathlib import Path
from typing import Any

from ..files import BadFile, check_hashes, read_json, short
from ..languages import is_language

TEXT_FILE = "text.json"
QUOTES = "plain_quotes"  # languages whose quotation marks are straight; not there: all
PREFIXES = "nonbreaking_prefixes"  # by language, in the text file of an exported folder
CODES = {"subword_nmt": "bpe.codes", "sentencepiece": "sentencepiece.model"}
TOKENIZERS = ("moses", "space")
WHAT = "the description of a text that prepare.py writes"


def read_description(folder: Path) -> dict[str, Any]:
    """Returns what `text.json` says, after a look at all that it names.

    Args:
        folder: holds it, and the subword codes.

    Raises:
        FileNotFoundError: if a file is missing.
        BadFile: if it names what there is not, or a file is not what it was.
    """
    path = folder / TEXT_FILE
    text: dict[str, Any] = read_json(path, WHAT)
    for name, known in (("tokenizer", TOKENIZERS), ("bpe", tuple(CODES))):
        if text.get(name) not in known:
            raise BadFile(
                f"`{name}` in {path} must be one of {', '.join(known)}, but is "
                f"{short(text.get(name))} instead."
            )
    for name in ("source_lang", "target_lang"):
        if not is_language(text.get(name)):
            raise BadFile(
                f"`{name}` in {path} must be the short name of a language, but is "
                f"{short(text.get(name))} instead."
            )
    if not is_list_of_words(text.get(QUOTES, [])):
        raise BadFile(
            f"`{QUOTES}` in {path} must be a list of languages, but is "
            f"{short(text[QUOTES])} instead."
        )
    lists = text.get(PREFIXES, {})
    if not isinstance(lists, dict) or not all(map(is_list_of_words, lists.values())):
        raise BadFile(f"`{PREFIXES}` in {path} must be lists of words, but is not.")
    known_hashes = text.get("sha256", {})
    if not isinstance(known_hashes, dict):
        raise BadFile(f"`sha256` in {path} must be a dict of files, but is not.")
    there = {n: d for n, d in known_hashes.items() if (folder / str(n)).is_file()}
    check_hashes(folder, there, path)
    codes = folder / CODES[text["bpe"]]
    if not codes.is_file():
        raise FileNotFoundError(f"the file {codes} does not exist.")
    return text


def is_list_of_words(value: object) -> bool:
    """Tells whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
