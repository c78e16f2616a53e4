"""The folder of an exported model: what lies in it, and whether it is as written."""

from pathlib import Path
from typing import Any

from ..files import BadFile, check_hashes, read_json
from ..languages import is_language

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
    languages_of(description, path)
    check_files(folder, description.get("files"))
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


def check_files(folder: Path, hashes: Any) -> None:
    """Checks that every file is what the description says.

    Raises:
        BadFile: if one is missing, or has changed.
    """
    if not isinstance(hashes, dict) or WEIGHTS not in hashes:
        raise BadFile(f"{folder / DESCRIPTION} must list its `files`, but does not.")
    check_hashes(folder, hashes, folder / DESCRIPTION)
