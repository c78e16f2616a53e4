"""What every translator takes and gives, whatever runs its model; nothing heavy.

A translator has `nbest`, which returns hypotheses; all else follows from that.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

DECODING = (
    "code_search",
    "length_mode",
    "length_ratio",
    "min_length_ratio",
    "max_length_ratio",
    "refinement",
    "rescore",
    "temperature",
    "sampling_seed",
    "lenpen",
    "unnormalized",
    "max_len_a",
    "max_len_b",
    "retain_iter_history",
    "true_codes",
    "true_latents",
)


class Hypothesis(NamedTuple):
    """One translation of a sentence and how it came about."""

    text: str
    tokens: list[str]  # subwords, end of sentence included
    codes: list[list[int]]  # L × G; empty for a model without latents
    score: float  # log-probability (of fairseq's beam search: per word)
    rank_score: float = 0.0  # what the candidates were ranked by
    teacher_score: float | None = None  # log-probability under the teacher
    passes: int = 0  # refinement passes until it stood still
    seconds: float = 0.0  # the sentence's part of its batch's time
    teacher_seconds: float = 0.0  # of these in the teacher


class CodeMeaning(NamedTuple):
    """One step of codes and what it tends to mean."""

    codes: list[int]  # one of each slice
    meanings: list[str | None]  # the chunk it stood for most often, None if unseen


EMPTY = Hypothesis("", [], [], 0.0)


class TextDoor:
    """Translates raw text by `nbest`, which a translator must have."""

    def nbest(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[list[Hypothesis]]:
        """Returns all different translations of each sentence, the best first."""
        raise NotImplementedError

    def translate(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
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
        found = self.hypotheses(sentences, batch_size, candidates, passes, references)
        return [h.text for h in found]

    def stream(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: int | None = None,
        passes: int | None = None,
    ) -> Iterator[str]:
        """Translates sentences as they come, and reads `batch_size` of them ahead."""
        lines = iter(checked(sentences, batch_size))
        while batch := list(islice(lines, batch_size)):
            yield from self.translate(batch, batch_size, candidates, passes)

    def codes(
        self, sentences: Iterable[str], batch_size: int = 64
    ) -> list[list[list[int]]]:
        """Returns the codes of each sentence's translation: L lists of G codes."""
        return [h.codes for h in self.hypotheses(sentences, batch_size)]

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
        records = json.loads(Path(inventory).read_text(encoding="utf-8"))
        known = {(r["slice"], r["code"]): r["chunks"][0][0] for r in records}
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
        candidates: int | None = None,
        passes: int | None = None,
        references: Sequence[str] | None = None,
    ) -> list[Hypothesis]:
        """Translates raw sentences and keeps tokens, codes and scores."""
        found = self.nbest(sentences, batch_size, candidates, passes, references)
        return [hypotheses[0] for hypotheses in found]


def refuse_unknown(decoding: dict[str, Any]) -> None:
    """Refuses decoding options that do not exist.

    Raises:
        ValueError: naming one.
    """
    unknown = sorted(decoding.keys() - set(DECODING))
    if unknown:
        raise ValueError(
            f"decoding options must be among {', '.join(DECODING)}, "
            f"but one is {unknown[0]!r} instead."
        )


def refuse_unserved(
    parallel: bool, beam: int, passes: int, candidates: int, teacher: Any
) -> None:
    """Refuses what would silently do nothing.

    Args:
        parallel: whether the model writes all words at once.
        beam: beam width of an autoregressive model.
        passes: refinement passes of a parallel one.
        candidates: of a parallel one.
        teacher: what ranks them, None without one.

    Raises:
        ValueError: naming the option.
    """
    if parallel and beam != 1:
        raise ValueError(
            "`beam` must be 1 for a model that writes all words at once, "
            f"but is {beam} instead: use `candidates`."
        )
    if parallel:
        return
    if passes:
        raise ValueError(
            f"`passes` must be 0 for an autoregressive model, but is {passes} instead."
        )
    if candidates != 1:
        raise ValueError(
            "`candidates` must be 1 for an autoregressive model, "
            f"but is {candidates} instead: use `beam`."
        )
    if teacher is not None:
        raise ValueError("`teacher` must be None for an autoregressive model.")


def join(pieces: list[list[Hypothesis]]) -> list[Hypothesis]:
    """Joins the translations of a sentence's pieces, the best with the best."""
    if not pieces:
        return [EMPTY]
    if len(pieces) == 1:
        return pieces[0]
    found = []
    for parts in zip(*pieces):
        scores = [part.teacher_score for part in parts]
        known = [score for score in scores if score is not None]
        found.append(
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
            )
        )
    return found


def checked(sentences: Iterable[str], batch_size: int) -> Iterable[str]:
    """Returns the sentences.

    Raises:
        ValueError: if they are one string, whose letters would be translated, or
            batches have no size.
    """
    if isinstance(sentences, str):
        raise ValueError(
            "`sentences` must be a list of strings, but is a string instead: put it "
            "into a list."
        )
    if batch_size < 1:
        raise ValueError(
            f"`batch_size` must be at least 1, but is {batch_size} instead."
        )
    return sentences
