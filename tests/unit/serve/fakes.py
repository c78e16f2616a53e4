"""A translator without a model: each sentence has a code for each of its words."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vq_nat.inspected import Codes, CodeStep, Inspection, Rival, check_codes
from vq_nat.translated import Asked, Hypothesis, TextDoor

KINDS = 100  # codes; code c is written as "Wc"


class FakeTranslator(TextDoor):
    """Writes "Wn" for a word of n letters: the code of a word is its length.

    It keeps the sentences of every call, and stands still while `gate` is closed.
    """

    languages = ("en", "de")
    has_codes = True
    has_places = True
    own_candidates = 1
    sees_words = True

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.asked: list[Asked] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def _nbest(self, sentences: Iterator[str], asked: Asked) -> list[list[Hypothesis]]:
        """Returns a translation of each sentence, and worse ones with more marks."""
        lines = list(sentences)
        self.calls.append(lines)
        self.asked.append(asked)
        self.begun.set()
        assert self.gate.wait(10)
        if "fail" in lines:
            raise RuntimeError("as it was asked to")
        return [
            [
                Hypothesis(
                    " ".join(self.word(code) for (code,) in codes) + "!" * i,
                    [],
                    codes,
                    -i,
                )
                for i in range(asked.candidates or 1)
            ]
            for codes in (
                [[self.code(word)] for word in line.split()] for line in lines
            )
        ]

    def word(self, code: int) -> str:
        """Returns what a code is written as."""
        return f"W{code}"

    def code(self, word: str) -> int:
        """Returns the code of a word."""
        return len(word)

    def spelled(self, tokens: Sequence[str]) -> str:
        """Joins subwords."""
        return " ".join(t for t in tokens if t != "</s>").replace("@@ ", "")

    def _pieces(self, sentences: Iterable[str]) -> tuple[list[str], list[range]]:
        rows = list(sentences)
        return rows, [range(i, i + bool(row.split())) for i, row in enumerate(rows)]

    def _inspect(
        self, rows: list[str], codes: list[Codes], rivals: int, passes: int | None
    ) -> list[Inspection]:
        self.calls.append(rows)
        inspections = []
        for own in codes:
            check_codes(own, 20, slices=1, kinds=KINDS)
            written = [self.word(code) for (code,) in own] + ["</s>"]
            steps = [
                CodeStep(
                    step, 0.5, [Rival([step[0] + i + 1], 0.1) for i in range(rivals)]
                )
                for step in own
            ]
            drafts = [[*written[:-2], "Wx", "</s>"]] * (passes or 0)
            text = self.spelled(written)
            inspections.append(
                Inspection(text, written, steps, 1, -1.5, [*drafts, written])
            )
        return inspections


class EchoTranslator(FakeTranslator):
    """Writes every word as it is: each has a code of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[str] = []

    def word(self, code: int) -> str:
        """Returns what a code is written as."""
        return self.known[code] if code < len(self.known) else f"W{code}"

    def code(self, word: str) -> int:
        """Returns the code of a word."""
        if word not in self.known:
            self.known.append(word)
        return self.known.index(word)


def wordings(sentence: str) -> str:
    """Returns the translation of a sentence, as a reader sees it."""
    return " ".join(f"W{len(word)}" for word in sentence.split())


def settings(**changes: Any) -> Any:
    """Returns bounds for tests: a short wait for others, and a short time."""
    from vq_nat.serve.limits import Limits

    return Limits(**{"window": 0.01, "seconds": 5.0, **changes})
