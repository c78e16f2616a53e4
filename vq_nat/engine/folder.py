"""The folder of an exported model: what lies in it, and whether it is as written."""

import json
from pathlib import Path
from typing import Any

from ..files import sha256

DESCRIPTION, WEIGHTS = "description.json", "model.safetensors"
FORMAT = 1  # raised when a reader of the old one would read something wrong
KINDS = ("latent", "autoregressive")
LARGEST = 2**20  # bytes of a description; ours have one or two thousand


def is_folder(path: str | Path) -> bool:
    """Tells whether a path is a folder for the engine."""
    return (Path(path) / DESCRIPTION).is_file()


def read_description(folder: Path) -> dict[str, Any]:
    """Reads what a folder says of itself, and checks that its files are what they were.

    Sizes of the model are checked by the engine, against bounds and the weights.

    Raises:
        FileNotFoundError: if it, or one of its files, is missing.
        ValueError: if it is of another format, or a file has changed.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(f"the file {path} does not exist.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} must be a short description, but is not.")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{path} must be JSON in UTF-8, but is not.") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise ValueError(
            f"{folder} must have the format {FORMAT}, but has {found!r} instead: "
            "export the checkpoint again."
        )
    if description.get("kind") not in KINDS:
        raise ValueError(
            f"`kind` in {path} must be one of {', '.join(KINDS)}, but is "
            f"{description.get('kind')!r} instead."
        )
    languages_of(description, path)
    check_files(folder, description.get("files"))
    return description


def languages_of(description: dict[str, Any], path: Path) -> tuple[str, str]:
    """Returns source and target language.

    Raises:
        ValueError: if they are not two names of languages.
    """
    languages: Any = description.get("languages")
    good = isinstance(languages, list) and len(languages) == 2
    if not good or not all(isinstance(x, str) and is_name(x) for x in languages):
        raise ValueError(f"`languages` in {path} must be two names, but are not.")
    return languages[0], languages[1]


def is_name(text: str) -> bool:
    """Tells whether a text can be a part of a file's name that leads nowhere else."""
    return text.replace("-", "").replace("_", "").isalnum()


def check_files(folder: Path, hashes: Any) -> None:
    """Checks that every file is what the description says.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if one has changed.
    """
    if not isinstance(hashes, dict) or WEIGHTS not in hashes:
        raise ValueError(f"{folder / DESCRIPTION} must list its `files`, but does not.")
    for name, expected in hashes.items():
        if name != Path(name).name:
            raise ValueError(
                f"{folder / DESCRIPTION} must name files of its folder, but names "
                f"{name!r}."
            )
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"the file {path} does not exist.")
        if sha256(path) != expected:
            raise ValueError(
                f"{path} must be the file that was exported, but has changed: export "
                "the checkpoint again."
            )
