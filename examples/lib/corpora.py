"""Owns the making of corpora: the text of people, and what a teacher makes of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.lib.options import flags
from examples.lib.commands import environment, run_with_bar
from examples.lib.places import LANGS, ROOT, Place, corpus_stamp
from examples.lib.progress import ForwardedBar

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


def distill(
    place: Place,
    teacher: Path,
    out: Path,
    section: Mapping[str, Any],
    mono: Sequence[Path] = (),
) -> str:
    """Lets the teacher translate the training sources.

    Args:
        place: where the corpus is.
        teacher: a checkpoint.
        out: folder for the distilled corpus.
        section: `distill` of a preset.
        mono: files of further sources, which have no translation.
    """
    options: dict[str, Any] = {"teacher": teacher, "data": place.corpus, "out": out}
    options |= {**section, "workers": place.threads}
    command = python("distill.py", options)
    command += ["--mono", *map(str, mono)] if mono else []
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
