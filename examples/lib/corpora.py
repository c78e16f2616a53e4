"""Owns the making of corpora: the text of people, and what a teacher makes of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.lib.options import flags
from data_prep.lib.steps import UserError
from examples.lib.commands import environment, run_with_bar
from examples.lib.places import LANGS, ROOT, Place, corpus_stamp
from examples.lib.progress import ForwardedBar
from vq_nat.writing import json_or_none

# Keys of the section `corpus` that are no options of the script which makes it.
DESCRIPTIONS = ("name", "kind", "test-set", "test-sets")
# Corpora that are fetched or given, and the option that says where they are already.
DOWNLOADED = {"multi30k": "data", "wmt14": "mirror", "longtext": "data"}


def make_corpus(place: Place, section: Mapping[str, Any]) -> str:
    """Makes or fetches the text, tokenises, splits into subwords, binarises.

    Args:
        place: where, and what kind of corpus.
        section: `corpus` of a preset.
    """
    options = {k: v for k, v in section.items() if k not in DESCRIPTIONS}
    bpe = {"bpe-operations": options.pop("bpe-operations")}
    workers = {"workers": place.threads}
    out = {"out": place.corpus}
    if place.kind in DOWNLOADED:
        script = ["bash", str(ROOT / "data_prep" / f"{place.kind}_ende.sh")]
        data = {DOWNLOADED[place.kind]: place.data}
        commands = [[*script, *flags({**out, **data, **bpe, **workers})]]
    else:
        langs = dict(zip(("source-lang", "target-lang"), LANGS, strict=True))
        text = {"raw": place.corpus / "raw", **out, **langs, **bpe, **workers}
        # It has no other ones; the committed rows' corpora were made so.
        text["plain-quotes"] = True
        commands = [
            python("demo_corpus.py", {**out, **options}),
            python("prepare.py", text),
        ]
    return run_data_prep(place, place.corpus, commands)


def check_corpus(corpus: Path, merges: int) -> None:
    """Refuses a corpus that was made elsewhere, but is not the one that is wanted.

    Raises:
        UserError: if it has another number of merges, or is not prepared.
    """
    recipe = json_or_none(corpus / ".done" / "bpe.json")
    if recipe is None or not corpus_stamp(corpus).is_file():
        raise UserError(f"{corpus} must be a prepared corpus, but is not.")
    known = recipe.get("options", {}).get("operations")
    if known != merges:
        raise UserError(f"{corpus} must have {merges} merges, but has {known} instead.")


def distill(
    place: Place,
    teacher: Path,
    out: Path,
    section: Mapping[str, Any],
    mono: Sequence[str] = (),
) -> str:
    """Lets the teacher translate the training sources.

    Args:
        place: where the corpus is.
        teacher: a checkpoint.
        out: folder for the distilled corpus.
        section: `distill` of a preset.
        mono: names of files of further sources, which have no translation.

    Raises:
        UserError: if one is missing.
    """
    folder = place.data or place.corpus / "download"
    files = [folder / name for name in mono]
    for file in files:
        if not file.is_file():
            raise UserError(
                f"The file {file}, which the text {out.name} is made of, is missing; "
                "--data must name its folder."
            )
    options: dict[str, Any] = {"teacher": teacher, "data": place.corpus, "out": out}
    options |= {**section, "workers": place.threads}
    command = python("distill.py", options)
    command += ["--mono", *map(str, files)] if files else []
    return run_data_prep(place, out, [command])


def run_data_prep(place: Place, out: Path, commands: list[list[str]]) -> str:
    """Runs commands that keep stamps of their own, and looks whether they had to."""
    before = modified(corpus_stamp(out))
    env = environment(place.threads, place.device) | {"PYTHON": sys.executable}
    for command in commands:
        run_with_bar(command, out / "prepare.log", env, ForwardedBar())
    pairs = count_lines(out / "bpe" / f"train.{LANGS[0]}")
    state = "reused" if modified(corpus_stamp(out)) == before else "done"
    return f"{state}: {pairs:,} training pairs in {out}"


def modified(path: Path) -> int:
    """Returns when a file was written, 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def count_lines(path: Path) -> int:
    """Counts the lines of a file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def python(script: str, options: dict[str, Any]) -> list[str]:
    """Returns the call of a script of data_prep."""
    return [sys.executable, str(ROOT / "data_prep" / script), *flags(options)]
