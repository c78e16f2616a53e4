"""Owns what is to be distilled, and how; refuses what cannot work."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_prep.lib.filters import Limits
from data_prep.lib.plan import CorpusPlan
from data_prep.lib.shards import Store
from data_prep.lib.steps import UserError, sha256
from data_prep.lib.teachers import Decoding
from vq_nat.text.folder import QUOTES

RECIPE_VERSION = 2  # raise when the same recipe gives other translations


@dataclass(frozen=True)
class Distillation:
    """What to distil, and how; every step reads it and none changes it."""

    data: CorpusPlan  # the prepared corpus
    distilled: CorpusPlan  # the corpus to make, with the same languages
    teacher: Path
    decoding: Decoding
    devices: tuple[str, ...] = ("cpu",)
    mono: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    human_share: float = 0.0
    chunk_lines: int = 2_000
    agreement: int = 100  # sentences on which two back ends are compared
    evaluate: bool = False

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.distilled.out

    @property
    def dictionary(self) -> Path:
        """The joint dictionary."""
        return self.data.out / "bin" / f"dict.{self.data.target_lang}.txt"

    def sources(self) -> dict[str, Path]:
        """Returns the text to translate, in subwords."""
        lang = self.data.source_lang
        files = {"train": self.data.out / "bpe" / f"train.{lang}"}
        if self.mono:
            files["mono"] = self.out / "mono" / "text" / f"mono.{lang}"
        return files

    def store(self) -> Store:
        """Returns where finished chunks are kept."""
        recipe = {
            "version": RECIPE_VERSION,
            "teacher": sha256(self.teacher),
            "dictionary": sha256(self.dictionary),
            "sources": {part: sha256(path) for part, path in self.sources().items()},
            "decoding": self.decoding.describe(),
            "chunk_lines": self.chunk_lines,
        }
        return Store(self.out, recipe)


def read_plans(folder: Path, out: Path, workers: int) -> tuple[CorpusPlan, CorpusPlan]:
    """Returns the plans of the prepared corpus in `folder` and of the distilled one.

    Raises:
        UserError: if `folder` is not a prepared corpus.
    """
    path = folder / "bin" / "text.json"
    try:
        recipe = json.loads(path.read_text("utf-8"))
        langs = recipe["source_lang"], recipe["target_lang"]
        bpe = recipe.get("bpe", "subword_nmt")
        plain = langs[1] in recipe.get(QUOTES, langs)
    except FileNotFoundError:
        raise UserError(f"The file {path} is missing; run prepare.py first.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} must name the two languages, but does not.") from None
    if out.resolve() == folder.resolve():
        raise UserError(f"--out must not be the folder of --data, but both are {out}.")
    how = {"bpe": bpe, "plain_quotes": plain, "workers": workers}
    data = CorpusPlan(folder / "raw", folder, *langs, **how)
    dictionary = folder / "bin" / f"dict.{langs[1]}.txt"
    return data, replace(data, out=out, joined_dict=dictionary)


def check(task: Distillation) -> None:
    """Refuses what cannot work before the teacher is started."""
    for name, value in (
        ("--beam", task.decoding.beam),
        ("--max-tokens", task.decoding.max_tokens),
        ("--nbest", task.decoding.nbest),
        ("--chunk-lines", task.chunk_lines),
        ("--workers", task.data.workers),
    ):
        if value < 1:
            raise UserError(f"{name} must be at least 1, but is {value} instead.")
    if task.decoding.nbest > task.decoding.width:
        raise UserError(
            f"--nbest must be at most --beam ({task.decoding.beam}), but is "
            f"{task.decoding.nbest} instead."
        )
    if not 0 <= task.human_share <= 1:
        raise UserError(
            f"--mix-human must be from 0 to 1, but is {task.human_share} instead."
        )
    if not task.teacher.is_file():
        raise UserError(f"The teacher's checkpoint, {task.teacher}, is missing.")
    check_corpus(task.data)


def codes_of(data: CorpusPlan) -> Path:
    """Returns the file that splits a corpus's words into subwords."""
    return data.out / "bpe" / data.codes_name


def check_corpus(data: CorpusPlan) -> None:
    """Refuses a corpus that is not completely prepared."""
    dictionaries = [data.out / "bin" / f"dict.{lang}.txt" for lang in data.langs]
    needed = [*dictionaries, codes_of(data)]
    for folder in ("raw", "bpe"):
        needed += data.files(data.out / folder).values()
    for path in needed:
        if not path.is_file():
            raise UserError(f"The file {path} is missing; run prepare.py first.")
    if sha256(dictionaries[0]) != sha256(dictionaries[1]):
        raise UserError(
            f"{dictionaries[0]} and {dictionaries[1]} must be one joint dictionary, "
            "but differ instead."
        )
