"""Owns quality and time by the length of a sentence.

A sentence's length is the number of words (runs of non-space characters) of its first
reference, which is the same for all systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from ..results.lengths import RANGES, range_of
from ..results.rows import LengthScores, LengthTimes
from ..translation.scores import bleu_of
from .clocks import read_clock
from .conditions import Rules
from .quality import reference_streams, repetition_rate
from .sentences import TestSet, spread
from .timing import Synchronize, Translate, percentile


def places_by_length(test_set: TestSet) -> list[list[int]]:
    """Returns the places of the sentences of each of `RANGES`."""
    places: list[list[int]] = [[] for _ in RANGES]
    for place, target in enumerate(test_set.targets):
        places[range_of(len(target.split()))].append(place)
    return places


def quality_by_length(outputs: Sequence[str], test_set: TestSet) -> list[LengthScores]:
    """Scores the sentences of each range of lengths that the test set has.

    Args:
        outputs: one translation per sentence.
        test_set: with the references.
    """
    rows: list[LengthScores] = []
    for number, places in enumerate(places_by_length(test_set)):
        if not places:
            continue
        written = [outputs[place] for place in places]
        streams = reference_streams([test_set.references[place] for place in places])
        bleu = bleu_of(test_set.target_lang).corpus_score(written, streams)
        rows.append(
            {
                "least": RANGES[number].least,
                "most": RANGES[number].most,
                "sentences": len(places),
                "bleu": round(bleu.score, 2),
                "length_ratio": round(bleu.ratio, 4),
                "repetition_rate": round(repetition_rate(written), 4),
            }
        )
    return rows


def latency_by_length(
    translate: Translate,
    test_set: TestSet,
    count: int,
    rules: Rules,
    synchronize: Synchronize,
) -> list[LengthTimes]:
    """Times some sentences of each range of lengths, one at a time.

    Args:
        translate: raw sentences to raw sentences.
        test_set: whose sentences.
        count: how many of each range at most, spread evenly over it.
        rules: of the clocks.
        synchronize: see `timing.synchronizer`.
    """
    rows: list[LengthTimes] = []
    for number, places in enumerate(places_by_length(test_set)):
        chosen = spread(places, count)
        if not chosen:
            continue
        sources = [test_set.sources[place] for place in chosen]
        reading = read_clock(translate, sources, 1, rules, synchronize)
        times = sorted(1000 * time for time in reading.times)
        words = mean(len(test_set.targets[place].split()) for place in chosen)
        rows.append(
            {
                "least": RANGES[number].least,
                "most": RANGES[number].most,
                "sentences": len(chosen),
                "words": round(words, 2),
                "ms": {
                    "median": round(percentile(times, 0.5), 4),
                    "p90": round(percentile(times, 0.9), 4),
                },
            }
        )
    return rows
