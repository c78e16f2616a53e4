"""A teacher without a model: it turns sentences round."""

from pathlib import Path

from data_prep.lib.teachers import Decoding, Hypothesis


class StubTeacher:
    """Translates "a b c" into "c b a"; each further hypothesis has a word more.

    Args:
        longest: most subwords it takes.
        texts: other translations of some sentences.
        fail_after: number of batches after which it fails.
    """

    def __init__(
        self,
        longest: int = 100,
        texts: dict[str, str] | None = None,
        fail_after: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self.longest, self.texts = longest, texts or {}
        self.fail_after, self.error = fail_after, error
        self.batches: list[list[str]] = []
        self.width = 4

    def load(
        self, checkpoint: Path, data: Path, decoding: Decoding, device: str
    ) -> "StubTeacher":
        """Stand in for ``teachers.load_teacher``."""
        self.width = decoding.width
        return self

    def translate(self, lines: list[str], seed: int) -> list[list[Hypothesis]]:
        """Return the hypotheses of each line, the best first."""
        if self.fail_after is not None and len(self.batches) >= self.fail_after:
            assert self.error is not None
            raise self.error
        self.batches.append(lines)
        return [
            [(-0.5 - n, self.text(line) + " mehr" * n) for n in range(self.width)]
            for line in lines
        ]

    def text(self, line: str) -> str:
        """Return the best translation."""
        words = line.replace("@@ ", "").split()
        return self.texts.get(" ".join(words), " ".join(reversed(words)))
