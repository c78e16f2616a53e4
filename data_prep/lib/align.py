"""Owns word alignment: which source word each target word most likely translates.

The model of fast_align (Dyer, Chahuneau, Smith 2013, NAACL): IBM model 1 with
a preference for the diagonal, here with a fixed tension, trained by expectation
maximisation. It is written with arrays because there is no deterministic aligner among
the Python packages: eflomal samples, and NLTK's takes hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

TENSION = 4.0  # how much the diagonal is preferred
EMPTY_SHARE = 0.08  # prior of a target word without a source word

Pair = tuple[Sequence[str], Sequence[str]]
Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]
Table = tuple[Ints, Ints, Floats]  # source word, target word, count of their links


class Vocabulary(dict[str, int]):
    """Words by number; 0 is the empty word."""

    def __missing__(self, word: str) -> int:
        self[word] = len(self) + 1
        return self[word]


@dataclass
class Candidates:
    """Every pair of a source and a target position in every sentence."""

    source: Ints  # word of the source position, 0 for the empty word
    target: Ints  # word of the target position
    prior: Floats
    starts: Ints  # where the candidates of each target position begin


def list_candidates(
    pairs: Sequence[Pair], source_words: Vocabulary, target_words: Vocabulary
) -> Candidates:
    """Lists what could be aligned, target position after target position."""
    sources, targets, priors, lengths = [], [], [], []
    for source, target in pairs:
        n, m = len(source), len(target)
        words = numpy.array([0, *(source_words[word] for word in source)])
        sources.append(numpy.tile(words, m))
        targets.append(numpy.repeat([target_words[word] for word in target], n + 1))
        priors.append(diagonal_prior(n=n, m=m).ravel())
        lengths += [n + 1] * m
    starts = numpy.cumsum([0, *lengths[:-1]])
    return Candidates(
        numpy.concatenate(sources),
        numpy.concatenate(targets),
        numpy.concatenate(priors),
        starts,
    )


def diagonal_prior(*, n: int, m: int) -> Floats:
    """Returns p(source position | target position) before a word is seen.

    Shape: (m, n + 1); the first column is the empty word.
    """
    places = (numpy.arange(n) + 0.5) / n, (numpy.arange(m) + 0.5) / m
    weights = numpy.exp(-TENSION * numpy.abs(places[1][:, None] - places[0]))
    weights *= (1 - EMPTY_SHARE) / weights.sum(axis=1, keepdims=True)
    return numpy.hstack([numpy.full((m, 1), EMPTY_SHARE), weights])


def align(candidates: Candidates, iterations: int = 5) -> tuple[Ints, Ints]:
    """Returns source and target word of every link but those to no word."""
    size = int(candidates.target.max()) + 1
    keys, where = numpy.unique(
        candidates.source * size + candidates.target, return_inverse=True
    )
    givens = keys // size
    table = numpy.ones(len(keys))  # p(target word | source word), up to a factor
    counts = numpy.diff(candidates.starts, append=len(where))
    for _ in range(iterations):
        shares = table[where] * candidates.prior
        shares /= numpy.repeat(numpy.add.reduceat(shares, candidates.starts), counts)
        expected = numpy.bincount(where, shares)
        table = expected / numpy.bincount(givens, expected)[givens]
    shares = table[where] * candidates.prior
    best = numpy.maximum.reduceat(shares, candidates.starts)
    hits = numpy.flatnonzero(shares == numpy.repeat(best, counts))
    position = numpy.searchsorted(candidates.starts, hits, side="right")
    _, first = numpy.unique(position, return_index=True)  # of equally good ones
    links = hits[first]
    links = links[candidates.source[links] > 0]
    return candidates.source[links], candidates.target[links]


def count_links(
    pairs: list[tuple[str, str]], source_words: Vocabulary, target_words: Vocabulary
) -> Table:
    """Aligns a corpus; returns source word, target word and count of its links."""
    split = [(source.split(), target.split()) for source, target in pairs]
    candidates = list_candidates(split, source_words, target_words)
    links = numpy.stack(align(candidates))
    kinds, counts = numpy.unique(links, axis=1, return_counts=True)
    return kinds[0], kinds[1], counts.astype(float)
