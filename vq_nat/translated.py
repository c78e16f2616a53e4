"""What every translator takes and gives, whatever runs its model; nothing heavy.

A translator has `_nbest`, which returns hypotheses; all else follows from that.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from operator import index
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex, TypeVar

from .files import read_json, reading
from .inspected import Codes, Inspection, check_whole, given_for
from .text.lines import in_batches

Piece = TypeVar("Piece")  # indices of source subwords, as a list or a tensor


class Hypothesis(NamedTuple):
    """One translation of a sentence and how it came about."""

    text: str
    tokens: list[str]  # subwords, end of sentence included
    codes: list[list[int]]  # L × G; empty for a model without latents
    score: float  # log-probability (of fairseq's beam search: per word)
    rank_score: float = 0.0  # what the candidates were ranked by
    teacher_score: float | None = None  # log-probability under the teacher
    passes: int = 0  # of refinement until it stood still, or of the verifying teacher
    seconds: float = 0.0  # the sentence's part of its batch's time
    teacher_seconds: float = 0.0  # of these in the teacher
    history: tuple[str, ...] = ()  # the text of every pass, if it is kept


class CodeMeaning(NamedTuple):
    """One step of codes and what it tends to mean."""

    codes: list[int]  # one of each slice
    meanings: list[str | None]  # the chunk it stood for most often, None if unseen


EMPTY = Hypothesis("", [], [], 0.0)


class Asked(NamedTuple):
    """What a call asks for besides the sentences, see `TextDoor.translate`."""

    batch_size: int
    candidates: int | None = None
    passes: int | None = None
    references: Sequence[str] | None = None


NO_PLACES = (
    "the model must have `alignment` 'positions' to be taken apart, but has 'ctc' "
    "instead: its words belong to no code."
)


class TextDoor:
    """Translates raw text by `_nbest`, which a translator must have."""

    @property
    def languages(self) -> tuple[str, str]:
        """The language that is read, and the one that is written."""
        raise NotImplementedError

    @property
    def has_codes(self) -> bool:
        """Whether translations have codes, so that they can be taken apart."""
        raise NotImplementedError

    @property
    def own_candidates(self) -> int:
        """How many candidates there are of a sentence, if a call does not say."""
        raise NotImplementedError

    @property
    def has_places(self) -> bool:
        """Whether each word has its place, and so belongs to one of the codes."""
        return True

    @property
    def sees_words(self) -> bool:
        """Whether passes can refine the words."""
        raise NotImplementedError

    def code_name(self, code: int) -> str | None:
        """Returns the subword that a code is, where codes are words."""
        return None

    def spelled(self, tokens: Sequence[str]) -> str:
        """Joins subwords of a part of a translation, for a reader."""
        raise NotImplementedError

    def nbest(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        *,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[list[Hypothesis]]:
        """Returns all different translations of each sentence, the best first.

        Those of a sentence that is translated in pieces are joined by their ranks.
        """
        asked = Asked(batch_size, candidates, passes, references)
        return self._nbest(checked(sentences, batch_size), asked)

    def _nbest(self, sentences: Iterator[str], asked: Asked) -> list[list[Hypothesis]]:
        """Does what `nbest` does."""
        raise NotImplementedError

    def _texts(self, sentences: Iterator[str], asked: Asked) -> list[str]:
        """Returns the best translations alone; may be faster than `_nbest`."""
        return [hypotheses[0].text for hypotheses in self._nbest(sentences, asked)]

    def translate(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        *,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty.

        Args:
            sentences: any number of any length.
            batch_size: sentences that are translated together.
            candidates: how many to choose from; None = as loaded. Of an autoregressive
                model, the beam.
            passes: refinement passes; None = as loaded.
            references: one for each sentence, if the translator was loaded with
                `true_codes` or `true_latents`.
        """
        asked = Asked(batch_size, candidates, passes, references)
        return self._texts(checked(sentences, batch_size), asked)

    def stream(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        *,
        candidates: int | None = None,
        passes: int | None = None,
    ) -> Iterator[str]:
        """Translates sentences as they come, and reads `batch_size` of them ahead."""
        for batch in in_batches(checked(sentences, batch_size), batch_size):
            yield from self.translate(
                batch, batch_size, candidates=candidates, passes=passes
            )

    def codes(
        self, sentences: Iterable[str], batch_size: int = 64
    ) -> list[list[list[int]]]:
        """Returns the codes of each sentence's translation: L lists of G codes."""
        return [h.codes for h in self.hypotheses(sentences, batch_size)]

    def inspect(
        self,
        sentences: Iterable[str],
        codes: Sequence[Codes | None] | None = None,
        *,
        rivals: int = 4,
        passes: int | None = None,
        batch_size: int = 64,
    ) -> list[Inspection]:
        """Translates each sentence from codes, and takes the translation apart.

        Args:
            sentences: raw text; neither empty nor so long that it is cut into pieces.
            codes: to decode from, of each sentence; None = those that are predicted.
            rivals: how many other codes are told for each step.
            passes: of refinement; None = as loaded.
            batch_size: sentences that are decoded together.

        Raises:
            ValueError: if the model has no codes, or cannot have those that are given.
        """
        lines = list(checked(sentences, batch_size))
        check_whole_number("rivals", rivals, 0)
        if not self.has_codes:
            raise ValueError("the model must have codes, but has none.")
        if not self.has_places:
            raise ValueError(NO_PLACES)
        given = given_for(lines, codes)
        rows, owners = self._pieces(lines)
        check_whole(owners)
        open_ones = [line for line, known in zip(lines, given) if known is None]
        predicted = iter(self.codes(open_ones, batch_size))
        whole = [next(predicted) if known is None else known for known in given]
        inspections: list[Inspection] = []
        for start in range(0, len(lines), batch_size):
            batch = slice(start, start + batch_size)
            inspections += self._inspect(rows[batch], whole[batch], rivals, passes)
        return inspections

    def _pieces(self, sentences: Iterable[str]) -> tuple[list[Any], list[range]]:
        """Returns the rows to translate, and which of them are each sentence's."""
        raise NotImplementedError

    def _inspect(
        self,
        rows: list[Any],
        codes: list[Codes],
        rivals: int,
        passes: int | None,
    ) -> list[Inspection]:
        """Does what `inspect` does, for rows with their codes."""
        raise NotImplementedError

    def explain(
        self,
        sentences: Iterable[str],
        inventory: str | Path,
        batch_size: int = 64,
    ) -> list[list[CodeMeaning]]:
        """Returns the codes of each translation, and what each tends to mean.

        Args:
            sentences: raw text.
            inventory: the `codes.json` that `vq-nat codes` wrote for this model.
            batch_size: sentences that are translated together.
        """
        known = read_meanings(inventory)
        return [
            [
                CodeMeaning(step, [known.get(key) for key in enumerate(step)])
                for step in codes
            ]
            for codes in self.codes(sentences, batch_size)
        ]

    def hypotheses(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        *,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[Hypothesis]:
        """Translates raw sentences and keeps tokens, codes and scores."""
        lists = self.nbest(
            sentences,
            batch_size,
            candidates=candidates,
            passes=passes,
            references=references,
        )
        return [hypotheses[0] for hypotheses in lists]


def read_meanings(inventory: str | Path) -> dict[tuple[int, int], str]:
    """Reads what each code of each slice stands for most often.

    Args:
        inventory: the `codes.json` that `vq-nat codes` wrote for a model.
    """
    what = "the inventory of codes that `vq-nat codes` wrote"
    records = read_json(inventory, what, list)
    with reading(inventory, what):
        return {(r["slice"], r["code"]): r["chunks"][0][0] for r in records}


def join(pieces: list[list[Hypothesis]]) -> list[Hypothesis]:
    """Joins the translations of a sentence's pieces, the best with the best."""
    if not pieces:
        return [EMPTY]
    if len(pieces) == 1:
        return pieces[0]
    joined = []
    for parts in zip(*pieces):
        scores = [part.teacher_score for part in parts]
        known = [score for score in scores if score is not None]
        joined.append(
            Hypothesis(
                " ".join(part.text for part in parts if part.text),
                [token for part in parts for token in part.tokens],
                [code for part in parts for code in part.codes],
                sum(part.score for part in parts),
                sum(part.rank_score for part in parts),
                sum(known) if len(known) == len(parts) else None,
                max(part.passes for part in parts),
                sum(part.seconds for part in parts),
                sum(part.teacher_seconds for part in parts),
                joined_history([part.history for part in parts]),
            )
        )
    return joined


def joined_history(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Joins the passes of a sentence's pieces; one that stood still stays as it is."""
    if not all(parts):
        return ()
    passes = range(max(map(len, parts)))
    return tuple(" ".join(p[min(i, len(p) - 1)] for p in parts) for i in passes)


def in_pieces(
    sentences: Iterable[str], cut: Callable[[str], list[Piece]]
) -> tuple[list[Piece], list[range]]:
    """Returns the rows to translate, and which of them are each sentence's.

    Args:
        sentences: raw text.
        cut: turns one into its rows; none of an empty line.
    """
    rows: list[Piece] = []
    owners: list[range] = []
    for sentence in sentences:
        pieces = cut(sentence)
        owners.append(range(len(rows), len(rows) + len(pieces)))
        rows += pieces
    return rows, owners


def checked(sentences: Iterable[str], batch_size: int) -> Iterator[str]:
    """Returns the sentences, each of which is looked at when it is reached.

    Raises:
        ValueError: if they are one string, whose letters would be translated, or no
            list at all, if one is no string, or batches have no size.
    """
    if isinstance(sentences, str):
        raise ValueError(
            "`sentences` must be a list of strings, but is a string instead: put it "
            "into a list."
        )
    if not isinstance(sentences, Iterable):
        kind = type(sentences).__name__
        raise ValueError(
            f"`sentences` must be a list of strings, but is of type {kind} instead."
        )
    check_whole_number("batch_size", batch_size, 1)
    return map(string, sentences, count(1))


def check_whole_number(
    name: str, value: object, least: int, most: int | None = None
) -> None:
    """Refuses what is no whole number, too small or too large.

    Raises:
        ValueError: naming the argument.
    """
    whole = isinstance(value, SupportsIndex) and not isinstance(value, bool)
    number = index(value) if whole else least - 1  # type: ignore[arg-type]
    if least <= number and (most is None or number <= most):
        return
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(
        f"`{name}` must be a whole number {bounds}, but is {value!r} instead."
    )


SHORTEST_SOURCE = 2  # a word, and the end of sentence that is counted with the others


def refuse_beyond(options: Any, positions: int) -> None:
    """Refuses a least number of words that an autoregressive model might not write.

    Args:
        options: of decoding, of the model or of the one whose drafts it verifies.
        positions: of its decoder, the end of sentence included.

    Raises:
        ValueError: saying how many the translation of one word may have.
    """
    longest = int(SHORTEST_SOURCE * options.max_len_a + options.max_len_b)
    most = min(longest, positions - 1)
    if options.min_len > most:
        raise ValueError(
            f"`min_len` must be at most {most}, which is how many words the "
            "autoregressive model may write for a sentence of one, but is "
            f"{options.min_len} instead."
        )


def string(sentence: str, number: int) -> str:
    """Returns a sentence.

    Raises:
        ValueError: if it is no string.
    """
    if not isinstance(sentence, str):
        raise ValueError(
            f"`sentences` must be strings, but number {number} is of type "
            f"{type(sentence).__name__} instead."
        )
    return sentence
