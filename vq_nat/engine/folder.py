"""The folder of an exported model: what lies in it, and whether it is as written."""

from pathlib import Path
from typing import Any

from ..files import BadFile, check_hashes, read_json
from ..languages import is_language
from ..text.copying import dictionary_name
from ..text.folder import CODES, TEXT_FILE
from ..text.folder import read_description as read_text_description

DESCRIPTION, WEIGHTS = "description.json", "model.safetensors"
FORMAT = 1  # raised when a reader of the old one would read something wrong
WHAT = "the description of an exported model"
KINDS = ("latent", "autoregressive")
LARGEST = 2**20  # bytes of a description; ours have one or two thousand


def is_folder(path: str | Path) -> bool:
    """Tells whether a path is a folder for the engine."""
    return (Path(path) / DESCRIPTION).is_file()


def read_description(folder: Path) -> dict[str, Any]:
    """Reads what a folder says of itself, and checks that its files are what they were.

    Sizes of the model are checked by the engine, against bounds and the weights.

    Raises:
        FileNotFoundError: if there is none.
        BadFile: if it is of another format, or a file is missing or has changed.
    """
    path = folder / DESCRIPTION
    description: dict[str, Any] = read_json(path, WHAT, most=LARGEST)
    if description.get("format") != FORMAT:
        raise BadFile(
            f"{folder} must have the format {FORMAT}, but has "
            f"{description.get('format')!r} instead: export the checkpoint again."
        )
    if description.get("kind") not in KINDS:
        raise BadFile(
            f"`kind` in {path} must be one of {', '.join(KINDS)}, but is "
            f"{description.get('kind')!r} instead."
        )
    check_files(folder, description.get("files"), languages_of(description, path))
    return description


def languages_of(description: dict[str, Any], path: Path) -> tuple[str, str]:
    """Returns source and target language.

    Raises:
        BadFile: if they are not two names of languages.
    """
    languages: Any = description.get("languages")
    good = isinstance(languages, list) and len(languages) == 2
    if not good or not all(is_language(name) for name in languages):
        raise BadFile(f"`languages` in {path} must be two names, but are not.")
    return languages[0], languages[1]


def check_files(folder: Path, hashes: Any, languages: tuple[str, str]) -> None:
    """Checks that every file that is read is listed, and what the description says.

    Raises:
        BadFile: if one is not listed or missing, or has changed.
    """
    path = folder / DESCRIPTION
    if not isinstance(hashes, dict):
        raise BadFile(f"{path} must list its `files`, but does not.")
    check_hashes(folder, hashes, path)
    read = [WEIGHTS, TEXT_FILE, *map(dictionary_name, languages)]
    if TEXT_FILE in hashes:
        read.append(CODES[read_text_description(folder)["bpe"]])
    for name in read:
        if name not in hashes:
            raise BadFile(f"{path} must list {name} among its `files`, but does not.")
