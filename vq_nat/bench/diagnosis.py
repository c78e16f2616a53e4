"""Where a latent model loses quality: in predicting codes, or in decoding them.

A test set is translated from codes of several origins: predicted ones, and those of the
teacher's output and of the references. The predictor is also asked how probable these
are, each code given the codes before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import torch
from fairseq.data.data_utils import collate_tokens

from ..results.diagnosis import (
    BEAM,
    GREEDY,
    OF_REFERENCE,
    OF_TEACHER,
    PLACES,
    RANKED,
    TEACHER,
    Decoded,
    Diagnosis,
    Given,
    losses_of,
)
from ..translation.criterion import LN2, code_hits, code_losses, word_hits
from ..translation.decoding.options import DecodingOptions
from ..translation.flow import require_codes
from ..translation.translator import Hypothesis, Translator
from .measure import measure_broken_words
from .quality import score
from .sentences import TestSet


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
        read = (collate_tokens(side, pad).to(device) for side in (src, tgt))
        out = translator.task.read(model, *read)
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
