"""Owns where the scripts keep things: corpus, stamps, and on what machine they work."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.lib import steps

ROOT = Path(__file__).resolve().parents[2]
LANGS = ("en", "de")


@dataclass(frozen=True)
class Place:
    """Where models are made of which corpus, and on what machine."""

    kind: str  # of the corpus: demo, multi30k, wmt14 or longtext
    work: Path
    data: Path | None  # raw files
    threads: int
    device: str
    jobs: int = field(default=1, kw_only=True)  # trainings side by side

    @property
    def corpus(self) -> Path:
        """The prepared corpus."""
        return self.work / "corpus"

    def stamp(self, step: str) -> Path:
        """Where a step says that it is finished."""
        return self.work / ".done" / f"{step}.json"


def corpus_stamp(corpus: Path) -> Path:
    """Returns what data_prep writes last: the hashes of a corpus's files."""
    return corpus / ".done" / "bin.json"


def locked(folder: Path, program: str) -> AbstractContextManager[None]:
    """Lets one process at a time work in a folder.

    Args:
        folder: where.
        program: what works there, as a noun.

    Raises:
        UserError: on entering, if another one does.
    """
    sentence = (
        f"Another {program} is working in {folder}; wait for its end or give this one "
        "another folder with --work."
    )
    return steps.locked(folder, sentence)
