"""Measures draft and verify: passes, words per pass, and time compared with greedy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypedDict

from ..translation.translator import Translator
from .quality import Quality, score
from .sentences import TestSet
from .timing import pinned_threads


class Way(TypedDict):
    """Quality and time of one way to decode."""

    bleu: float
    ms: float  # of a sentence, the median


class Verified(TypedDict):
    """Draft and verify beside its two models."""

    test_set: str
    sentences: int
    exact: float  # share of the sentences whose output is the greedy one
    passes: float  # of the verifier, for each sentence
    words_per_pass: float
    ways: dict[str, Way]


def measure_verified(
    verified: Translator,
    greedy: Translator,
    draft: Translator,
    test_set: TestSet,
    *,
    batch_size: int = 64,
    timed: int = 50,
    threads: int = 1,
) -> Verified:
    """Translates a test set in three ways.

    Args:
        verified: drafts by the latent model, verified by the autoregressive one: was
            loaded with `verify`.
        greedy: the autoregressive model alone.
        draft: the latent model alone.
        test_set: sentences with references.
        batch_size: of the translation that is scored.
        timed: sentences that are timed one at a time, evenly spread.
        threads: of torch.

    Returns:
        `exact`, the share of sentences whose output is the greedy one; `passes` per
        sentence, `words_per_pass`; and for each way BLEU and ms per sentence (median).
    """
    sources = test_set.sources
    ways = {"verified": verified, "greedy": greedy, "draft": draft}
    with pinned_threads(threads):
        hypotheses = {
            name: way.hypotheses(sources, batch_size) for name, way in ways.items()
        }
        clocks = {name: median_ms(way, test_set, timed) for name, way in ways.items()}
    outputs = {name: [h.text for h in of_one] for name, of_one in hypotheses.items()}
    same = [a == b for a, b in zip(outputs["verified"], outputs["greedy"])]
    passes = sum(h.passes for h in hypotheses["verified"])
    return {
        "test_set": test_set.name,
        "sentences": len(sources),
        "exact": round(sum(same) / len(same), 4),
        "passes": round(passes / len(sources), 3),
        "words_per_pass": round(
            sum(len(h.tokens) for h in hypotheses["verified"]) / max(1, passes), 3
        ),
        "ways": {
            name: {
                "bleu": round(quality_of(outputs[name], test_set).bleu, 2),
                "ms": round(clocks[name], 3),
            }
            for name in ways
        },
    }


def quality_of(outputs: list[str], test_set: TestSet) -> Quality:
    """Scores the outputs of one way, with the words of the target language."""
    return score(outputs, test_set.references, language=test_set.target_lang)


def median_ms(translator: Translator, test_set: TestSet, count: int) -> float:
    """Times single sentences, after one that warms up."""
    sentences: Sequence[str] = test_set.spread(count).sources
    translator.translate(sentences[:1])
    times = []
    for sentence in sentences:
        start = time.perf_counter()
        translator.translate([sentence])
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[len(times) // 2]
