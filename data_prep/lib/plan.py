"""Owns the description of a corpus: its files, its languages, how it is prepared."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

CODES = {"subword_nmt": "bpe.codes", "sentencepiece": "sentencepiece.model"}


@dataclass(frozen=True)
class CorpusPlan:
    """What to prepare, and how; every step reads it and none changes it."""

    raw: Path
    out: Path
    source_lang: str
    target_lang: str
    bpe_operations: int = 32_000
    bpe_codes: Path | None = None
    joined_dict: Path | None = None
    max_length: int = 250
    max_ratio: float | None = None
    drop_tested: bool = False
    bpe: str = "subword_nmt"
    plain_quotes: bool = True  # in targets, too
    workers: int = 1

    @property
    def langs(self) -> tuple[str, str]:
        """Source language, target language."""
        return self.source_lang, self.target_lang

    @property
    def codes_name(self) -> str:
        """Name of the file that splits words into subwords."""
        return CODES[self.bpe]

    @property
    def tokenizer(self) -> str:
        """What makes words, by fairseq's name; SentencePiece needs none."""
        return "moses" if self.bpe == "subword_nmt" else "space"

    def has_plain_quotes(self, lang: str) -> bool:
        """Tells whether a language's quotation marks are made straight ones."""
        return self.plain_quotes or lang == self.source_lang

    def splits(self) -> list[str]:
        """Returns train, valid, test and the numbered further test sets."""
        names = ["train", "valid", "test"]
        while (self.raw / f"test{len(names) - 2}.{self.source_lang}").exists():
            names.append(f"test{len(names) - 2}")
        return names

    def files(self, folder: Path) -> dict[str, Path]:
        """Returns the text files of a folder by name, as a step's inputs."""
        names = [f"{split}.{lang}" for split in self.splits() for lang in self.langs]
        return {name: folder / name for name in names}


def raw_files(plan: CorpusPlan) -> dict[str, Path]:
    """Returns the raw text by name, with the lists of correct renderings if any."""
    lists = {path.name: path for path in sorted(plan.raw.glob("*.refs.json"))}
    return {**plan.files(plan.raw), **lists}


def copy_raw(plan: CorpusPlan, folder: Path) -> None:
    """Keeps the raw text beside what is made of it: results are scored against it."""
    for name, path in raw_files(plan).items():
        shutil.copyfile(path, folder / name)
