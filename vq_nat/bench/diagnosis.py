"""Where a latent model loses quality: in predicting codes, or in decoding them.

A test set is translated from codes of several origins: predicted ones, and those of the
teacher's output and of the references. The predictor is also asked how probable these
are, each code given the codes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TypedDict

import torch
from fairseq.data.data_utils import collate_tokens

from ..results.tables import Column, markdown, number, percent
from ..translation.criterion import LN2, code_hits, code_losses, word_hits
from ..translation.decoding.options import DecodingOptions
from ..translation.flow import require_codes
from ..translation.translator import Hypothesis, Translator
from .measure import measure_broken_words
from .quality import score
from .sentences import TestSet

PLACES = ((0, 4), (4, 8), (8, 12), (12, None))  # of subwords, for the agreement
GREEDY, BEAM, RANKED = "greedy", "beam", "ranked by the teacher"
OF_TEACHER, OF_REFERENCE = "of the teacher's output", "of the references"
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


def diagnose(
    translator: Translator,
    teacher: Translator,
    test_set: TestSet,
    *,
    width: int = 10,
    batch_size: int = 64,
) -> Diagnosis:
    """Measures a model from all origins of codes.

    Args:
        translator: of a latent model that is not exported.
        teacher: the autoregressive model that it was distilled from; its output, as it
            was loaded to decode, is what the model is compared with.
        test_set: sentences with references.
        width: candidates of the beam and of the teacher's choice.
        batch_size: sentences translated together.

    Returns:
        `decoding`, a row for each origin of codes, `given`, a row for each origin of
        targets, and `losses`, see `losses_of`.

    Raises:
        ValueError: for a model without codes, or an exported one.
    """
    require_codes(getattr(translator, "model", None))
    sources = test_set.sources
    taught = teacher.hypotheses(sources, batch_size)
    texts = [one.text for one in taught]
    targets = {OF_TEACHER: texts, OF_REFERENCE: test_set.targets}
    outputs = {TEACHER: taught}
    for name, options in origins(width, translator.options.autocast).items():
        judge = teacher.model if name == RANKED else None
        way = Translator(
            translator.model, translator.task, translator.codec, options, judge
        )
        outputs[name] = way.hypotheses(
            sources, batch_size, references=targets.get(name)
        )
    rows = [describe(name, one, taught, test_set) for name, one in outputs.items()]
    return {
        "test_set": test_set.name,
        "sentences": len(sources),
        "width": width,
        "decoding": rows,
        "given": [
            given(name, translator, sources, lines, batch_size)
            for name, lines in targets.items()
        ],
        "losses": losses_of({row["codes"]: row["bleu"] for row in rows}),
    }


def origins(width: int, autocast: str = "none") -> dict[str, DecodingOptions]:
    """Returns how to decode for each origin of codes."""
    greedy = DecodingOptions(autocast=autocast)
    beam, given = replace(greedy, candidates=width), replace(greedy, true_codes=True)
    return {
        GREEDY: greedy,
        BEAM: beam,
        RANKED: replace(beam, teacher="given"),
        OF_TEACHER: given,
        OF_REFERENCE: given,
    }


def describe(
    name: str,
    hypotheses: Sequence[Hypothesis],
    taught: Sequence[Hypothesis],
    test_set: TestSet,
) -> Decoded:
    """Scores outputs, and tells how much of them agrees with the teacher's."""
    texts, wanted = [one.text for one in hypotheses], [[one.text] for one in taught]
    language = test_set.target_lang
    quality = score(texts, test_set.references, test_set.complete, language)
    return {
        "codes": name,
        "bleu": round(quality.bleu, 2),
        "chrf": round(quality.chrf, 2),
        "bleu_of_teacher": round(score(texts, wanted, language=language).bleu, 2),
        "agreement": agreement(hypotheses, taught),
        "broken_words": measure_broken_words(texts, test_set),
    }


def agreement(
    hypotheses: Sequence[Hypothesis], taught: Sequence[Hypothesis]
) -> list[float | None]:
    """Returns the share of subwords that are the teacher's, for each of `PLACES`.

    A subword agrees if the teacher has the same one at the same place; of two outputs
    the longer one is counted. None where no sentence is so long.
    """
    shares: list[float | None] = []
    for start, end in PLACES:
        pairs = [
            pair
            for one, other in zip(hypotheses, taught, strict=True)
            for pair in zip_longest(one.tokens[start:end], other.tokens[start:end])
        ]
        hits = sum(a == b for a, b in pairs)
        shares.append(round(hits / len(pairs), 4) if pairs else None)
    return shares


@torch.no_grad()
def given(
    name: str,
    translator: Translator,
    sources: list[str],
    targets: list[str],
    batch_size: int,
) -> Given:
    """Scores targets: predictor with the codes before each one given, decoder with all.

    Returns:
        `code_accuracy`; `code_bits`, of each code and end of codes; `word_accuracy`, of
        the words that the codes do not give away.
    """
    model, codec = translator.model, translator.codec
    pad, device = model.pad, next(model.parameters()).device
    encoded = [
        (codec.encode(s), codec.encode_target(t)) for s, t in zip(sources, targets)
    ]
    pairs = [(s, t) for s, t in encoded if len(s) > 1 and len(t) > 1]
    sums = torch.zeros(6, dtype=torch.float64)
    for start in range(0, len(pairs), batch_size):
        src, tgt = zip(*pairs[start : start + batch_size])
        out = model(
            collate_tokens(src, pad).to(device),
            target=collate_tokens(tgt, pad).to(device),
        )
        sums += torch.tensor(
            [
                float(code_hits(out)),
                float(out.latent_count),
                float(code_losses(out).nll),
                float(out.code_count),
                float(word_hits(out)),
                float(out.word_targets.numel()),
            ]
        )
    hits, codes, nll, count, right, words = sums.tolist()
    return {
        "codes": name,
        "code_accuracy": round(hits / max(1, codes), 4),
        "code_bits": round(nll / max(1, count) / LN2, 3),
        "word_accuracy": round(right / max(1, words), 4),
    }


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
    yield (
        f"Of the teacher's BLEU the decoder loses {decoder:.1f} on the teacher's own "
        f"codes, and the predictor {predictor:.1f} more: look at the {worse} first."
    )
    yield (
        f"A beam wins {losses['search']:+.1f}, the teacher's choice among its "
        f"candidates {losses['choice']:+.1f}. " + said_of_choice(losses)
    )


def said_of_choice(losses: Mapping[str, float]) -> str:
    """Says whether good translations are among the predictor's candidates."""
    if losses["choice"] > losses["search"] + 0.5:
        return "Better codes are among the candidates; the predictor ranks them lower."
    return "The candidates hold little that is better than what is taken."
