"""Owns manifest.json: where a corpus comes from, and what it consists of.

It holds no time, path or machine: the same command on the same data writes the same
manifest, and two people can compare theirs.
"""

import json
from pathlib import Path
from typing import Any

from data_prep.lib.steps import UserError, Workspace
from vq_nat.results.versions import installed
from vq_nat.writing import json_or_none, write_json

NAME = "manifest.json"
MANIFEST_VERSION = 1
PACKAGES = (
    "torch",
    "fairseq-fixed",
    "ctranslate2",
    "subword-nmt",
    "sentencepiece",
    "sacremoses",
    "sacrebleu",
    "vq-nat",
)


def write_manifest(work: Workspace, about: dict[str, Any]) -> None:
    """Writes the manifest beside the data, unless it is there already.

    Args:
        work: the corpus; the hashes of its files come from its stamps.
        about: what the stamps do not know.
    """
    content = {"version": MANIFEST_VERSION, **about, "files": stamped_files(work)}
    old = json_or_none(work.out / NAME)
    if isinstance(old, dict) and {**old, "made_with": None} == {
        **json.loads(json.dumps(content)),
        "made_with": None,
    }:
        return
    content["made_with"] = installed(PACKAGES)
    write_json(content, work.out / NAME)


def stamped_files(work: Workspace) -> dict[str, str]:
    """Returns the hashes of all files that finished steps have made."""
    files: dict[str, str] = {}
    for stamp in sorted(work.stamps.glob("*.json")):
        outputs = json.loads(stamp.read_text("utf-8"))["outputs"]
        files |= {f"{stamp.stem}/{name}": value for name, value in outputs.items()}
    return files


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a corpus.

    Raises:
        UserError: if there is none that can be read.
    """
    path = folder / NAME
    if not path.is_file():
        raise UserError(f"The file {path} is missing.")
    content = json_or_none(path)
    if not isinstance(content, dict) or content.get("version") != MANIFEST_VERSION:
        raise UserError(
            f"{path} must be a manifest of version {MANIFEST_VERSION}, but is not."
        )
    return content


def read_counts(path: Path) -> dict[str, int]:
    """Returns the counts of a table of names and numbers."""
    rows = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    return {name: int(count) for name, count in rows}
