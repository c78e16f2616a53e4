"""Owns what systems are measured on: raw sentences with their references."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..files import BadFile, read_json
from ..results.rows import read_lines

Item = TypeVar("Item")


@dataclass(frozen=True)
class TestSet:
    """Raw sentences and, for each, its raw references."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    corpus: str
    name: str
    sources: list[str]
    references: list[list[str]]
    complete: bool = False  # the references are all correct translations there are
    training_text: Path | None = None  # target side, of which all words are known

    @classmethod
    def read(
        cls,
        raw: Path,
        corpus: str,
        name: str = "test",
        languages: tuple[str, str] = ("en", "de"),
        file: str = "test",
    ) -> TestSet:
        """Reads a test set from the raw text of a prepared corpus.

        Args:
            raw: folder with `FILE.{en,de}`, and `FILE.refs.json` if every correct
                translation is known.
            corpus: name of the corpus in rows and tables.
            name: name of the test set in rows and tables.
            languages: source and target.
            file: name of its files.

        Raises:
            FileNotFoundError: if a side is missing.
        """
        source, target = (read_lines(raw / f"{file}.{lang}") for lang in languages)
        several = raw / f"{file}.refs.json"
        if several.is_file():
            references = read_json(several, "lists of references", list)
            if not all(is_references(one) for one in references):
                raise BadFile(
                    f"{several} must be lists of references, one for each sentence, "
                    "each of at least one text, but is not."
                )
        else:
            references = [[line] for line in target]
        training = raw / f"train.{languages[1]}"
        return cls(
            corpus,
            name,
            source,
            references,
            several.is_file(),
            training if training.is_file() else None,
        )

    @property
    def targets(self) -> list[str]:
        """The first reference of each sentence."""
        return [of_one[0] for of_one in self.references]

    def first(self, count: int) -> TestSet:
        """Returns its first sentences."""
        part = slice(count)
        return replace(
            self, sources=self.sources[part], references=self.references[part]
        )

    def spread(self, count: int) -> TestSet:
        """Returns at most `count` sentences, evenly spaced."""
        places = spread(list(range(len(self.sources))), count)
        return replace(
            self,
            sources=[self.sources[i] for i in places],
            references=[self.references[i] for i in places],
        )


def is_references(found: object) -> bool:
    """Tells whether it is what a sentence may be translated by."""
    texts = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return texts and bool(found)


def spread(items: list[Item], count: int) -> list[Item]:
    """Returns at most `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
