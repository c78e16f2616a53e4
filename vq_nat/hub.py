"""Owns how a folder is fetched from the Hugging Face hub: `hf://OWNER/NAME`.

What it holds is read like any other folder; nothing but the files of one is fetched.
"""

import re
from pathlib import Path
from typing import Any

PREFIX = "hf://"
PLACE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")
FILES = ["*.json", "*.safetensors", "*.onnx", "dict.*.txt", "bpe.codes"]
FILES += ["sentencepiece.model", "README.md"]


def is_remote(path: Any) -> bool:
    """Tells whether a path is a place on the hub."""
    return isinstance(path, str) and path.startswith(PREFIX)


def fetch(place: str) -> Path:
    """Returns the local copy of a folder on the hub, which is fetched if need be.

    Args:
        place: "hf://OWNER/NAME" or "hf://OWNER/NAME@REVISION".

    Raises:
        ValueError: if it is no such place.
        ModuleNotFoundError: without the package `huggingface_hub`.
        OSError: if it cannot be fetched.
    """
    match = PLACE.fullmatch(place)
    if match is None:
        raise ValueError(
            f'`path` must be "hf://OWNER/NAME" or "hf://OWNER/NAME@REVISION", but is '
            f'"{place}" instead.'
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(match[1], revision=match[2], allow_patterns=FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        said = " ".join(str(error).split())
        raise OSError(f"{place} cannot be fetched: {said}") from error
    return Path(folder)
