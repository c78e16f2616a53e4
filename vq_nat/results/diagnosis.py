"""Owns what a diagnosis of a latent model says: its figures, and how they are read.

They are measured in `vq_nat.bench.diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from .tables import Column, markdown, number, percent

PLACES = ((0, 4), (4, 8), (8, 12), (12, None))  # of subwords, for the agreement
GREEDY, BEAM, RANKED = "greedy", "beam", "ranked by the teacher"
OF_TEACHER, OF_REFERENCE = "of the teacher's output", "of the references"
SEEN = 0.05  # a smaller difference of BLEU rounds to nothing
TEACHER = "(the teacher itself)"


class Decoded(TypedDict):
    """The translations from one origin of codes, scored."""

    codes: str
    bleu: float
    chrf: float
    bleu_of_teacher: float
    agreement: list[float | None]  # with the teacher, for each of `PLACES`
    broken_words: float | None


class Given(TypedDict):
    """What predictor and decoder say where codes are given."""

    codes: str
    code_accuracy: float
    code_bits: float
    word_accuracy: float


class Diagnosis(TypedDict):
    """A model from all origins of codes."""

    test_set: str
    sentences: int
    width: int
    decoding: list[Decoded]
    given: list[Given]
    losses: dict[str, float]  # see `losses_of`


def losses_of(bleu: Mapping[str, float]) -> dict[str, float]:
    """Divides the distance to the teacher, in BLEU, among its causes.

    Returns:
        `decoder`: lost with the codes of the teacher's own output; `predictor`: lost as
        well where codes are predicted greedily; `search`: won back by a beam; `choice`:
        won, compared with greedy, where the teacher chooses among the beam's
        candidates.
    """
    parts = {
        "decoder": bleu[TEACHER] - bleu[OF_TEACHER],
        "predictor": bleu[OF_TEACHER] - bleu[GREEDY],
        "search": bleu[BEAM] - bleu[GREEDY],
        "choice": bleu[RANKED] - bleu[GREEDY],
    }
    return {name: round(part, 2) for name, part in parts.items()}


# ---------------------------------------------------------------------------- the table


def table(row: Diagnosis) -> str:
    """Returns the tables of a diagnosis and their reading, in Markdown."""
    columns: list[Column[Decoded]] = [
        ("codes", lambda one: one["codes"]),
        ("BLEU", lambda one: number(one["bleu"])),
        ("chrF", lambda one: number(one["chrf"])),
        ("BLEU against the teacher", lambda one: number(one["bleu_of_teacher"])),
        *(
            (f"agreement, subwords {name}", share_at(index))
            for index, name in enumerate(map(name_place, PLACES))
        ),
        ("broken words", lambda one: percent(one["broken_words"], 2)),
    ]
    asked: list[Column[Given]] = [
        ("codes", lambda one: one["codes"]),
        ("code accuracy", lambda one: percent(one["code_accuracy"])),
        ("bits per code", lambda one: number(one["code_bits"], 2)),
        ("accuracy of the other words", lambda one: percent(one["word_accuracy"])),
    ]
    parts = [
        f"{row['test_set']}, {row['sentences']} sentences, beam {row['width']}:",
        markdown(columns, row["decoding"]),
        "With the codes before, or all codes, given:",
        markdown(asked, row["given"]),
        *reading(row),
    ]
    return "\n\n".join(parts)


def share_at(index: int) -> Callable[[Decoded], str]:
    """Returns the cell of one place's agreement."""
    return lambda one: percent(one["agreement"][index])


def name_place(place: tuple[int, int | None]) -> str:
    """Names subwords, from 1."""
    start, end = place
    return f"{start + 1}–{end}" if end else f"{start + 1}–"


def reading(row: Diagnosis) -> Iterable[str]:
    """Yields what the figures say, a sentence or two each."""
    losses = row["losses"]
    decoder, predictor = losses["decoder"], losses["predictor"]
    worse = "predictor" if predictor > decoder else "decoder"
    lost = max(decoder, predictor) >= SEEN
    advice = f"look at the {worse} first" if lost else "neither is in the way"
    yield (
        f"Of the teacher's BLEU the decoder {change(decoder)} on the teacher's own "
        f"codes, and the predictor then {change(predictor)}: {advice}."
    )
    yield (
        f"A beam wins {losses['search']:+.1f}, the teacher's choice among its "
        f"candidates {losses['choice']:+.1f}. " + said_of_choice(losses)
    )


def change(loss: float) -> str:
    """Says what is lost; less than nothing is won."""
    if abs(loss) < SEEN:
        return "loses nothing"
    return f"loses {loss:.1f}" if loss > 0 else f"wins {-loss:.1f}"


def said_of_choice(losses: Mapping[str, float]) -> str:
    """Says whether good translations are among the predictor's candidates."""
    if losses["choice"] > losses["search"] + 0.5:
        return "Better codes are among the candidates; the predictor ranks them lower."
    return "The candidates hold little that is better than what is taken."
