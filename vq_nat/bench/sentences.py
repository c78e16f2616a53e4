"""Owns what systems are measured on: raw sentences with their references."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..text.lines import read_lines
from ..text.renderings import known_renderings

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
    languages: tuple[str, str] | None = None  # source and target, if known
    training_text: Path | None = None  # target side, of which all words are known

    @classmethod
    def read(
        cls,
        raw: Path,
        corpus: str,
        name: str,
        languages: tuple[str, str],
        file: str = "test",
    ) -> TestSet:
        """Reads a test set from the raw text of a prepared corpus.

        Args:
            raw: folder with `FILE.SOURCE` and `FILE.TARGET`, and `FILE.refs.json` if
                every correct translation is known.
            corpus: name of the corpus in rows and tables.
            name: name of the test set in rows and tables.
            languages: source and target, see `loading.languages_of`.
            file: name of its files.

        Raises:
            FileNotFoundError: if a side is missing.
            ValueError: if the sides are not equally long, or the known translations are
                not those of these sentences.
        """
        sides = [raw / f"{file}.{lang}" for lang in languages]
        source, target = map(read_lines, sides)
        if len(source) != len(target):
            raise ValueError(
                "both sides must have the same number of lines, but "
                f"{sides[0]} has {len(source)} and {sides[1]} has {len(target)} "
                "instead."
            )
        several = known_renderings(raw / f"{file}.refs.json", target)
        references = several or [[line] for line in target]
        training = raw / f"train.{languages[1]}"
        return cls(
            corpus,
            name,
            source,
            references,
            bool(several),
            languages,
            training if training.is_file() else None,
        )

    @property
    def target_lang(self) -> str:
        """The language of the references, "" if it is not known."""
        return self.languages[1] if self.languages else ""

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


def spread(items: list[Item], count: int) -> list[Item]:
    """Returns at most `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
