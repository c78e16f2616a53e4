"""What the service takes, and what it says of what it does not take."""

from dataclasses import dataclass, fields


class Refusal(Exception):
    """A request that is not served.

    Args:
        status: of HTTP.
        sentence: what is wrong, for the reader.
        retry: seconds after which another try makes sense; None = it makes none.
    """

    def __init__(self, status: int, sentence: str, retry: float | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry = status, sentence, retry


@dataclass(frozen=True)
class Limits:
    """The bounds of the service; counts are at least 1.

    Raises:
        ValueError: for a bound that is none.
    """

    batch: int = 64  # sentences that are decoded together
    window: float = 0.002  # seconds that a sentence waits for others
    queue: int = 1024  # sentences that wait
    characters: int = 5000  # of a text
    texts: int = 128  # of a request
    body: int = 2**20  # bytes of a request
    seconds: float = 30.0  # for a request, its wait included
    alternatives: int = 8  # translations beside the best, and rivals of a code
    passes: int = 16  # of refinement

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least = getattr(self, one.name), {"window": 0.0, "seconds": 0.001}
            lowest = least.get(one.name, 1)
            if not lowest <= value < float("inf"):
                raise ValueError(
                    f"`{one.name}` must be at least {lowest} and finite, but is "
                    f"{value} instead."
                )

    def check_texts(self, texts: list[str]) -> None:
        """Refuses texts that are too many, too long, or no text.

        Raises:
            Refusal: saying what there may be.
        """
        if len(texts) > self.texts:
            raise Refusal(
                413,
                f"`q` must have at most {self.texts} texts, but has {len(texts)} "
                "instead.",
            )
        for text in texts:
            if len(text) > self.characters:
                raise Refusal(
                    413,
                    f"a text must have at most {self.characters} characters, but has "
                    f"{len(text)} instead.",
                )
            try:
                text.encode()
            except UnicodeEncodeError:
                raise Refusal(
                    422, "a text must be Unicode, but has half a surrogate pair."
                ) from None

    def check_sentences(self, count: int) -> None:
        """Refuses what would never fit into the queue.

        Raises:
            Refusal: saying what would.
        """
        if count > self.queue:
            raise Refusal(
                413,
                f"a request must have at most {self.queue} sentences, but has more.",
            )
