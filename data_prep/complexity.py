"""How hard is the data? Conditional entropy and faithfulness, human against distilled.

After *Understanding Knowledge Distillation in Non-autoregressive Machine Translation*
(Zhou, Neubig, Gu 2019, arXiv 1911.02727), over the same source sentences:

- conditional entropy C(d) = 1/|V| sum_x H(y | x): how many words a source word may
  become, as its aligned target words say; lower is easier to learn in parallel;
- faithfulness F(d) = 1/|V| sum_x KL(p_human(y | x) || p_d(y | x)): how far the
  distilled words have moved from the human ones; 0 for the human text itself.

x are the types of source words. Both are in nats.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy
from numpy.typing import NDArray

from data_prep.lib.align import Ints, Table, Vocabulary, count_links
from data_prep.lib.manifest import read_manifest
from data_prep.lib.steps import UserError, errors_as_sentences
from data_prep.lib.text import read_lines, read_pairs, undo_bpe
from vq_nat.writing import write_json

SMOOTHING = 0.01  # added to each count under the logarithm of a Kullback-Leibler term
Triple = tuple[str, str, str]  # source, human target, distilled target
Floats = NDArray[numpy.floating]


def read_triples(human: Path, distilled: Path, langs: list[str]) -> Iterator[Triple]:
    """Yields the sources that both corpora have, in words."""
    sides = [human / "bpe" / f"train.{lang}" for lang in langs]
    pairs = enumerate(read_pairs(sides[0], sides[1]), start=1)
    origins = read_lines(distilled / "bpe" / "train.origin")
    targets = read_lines(distilled / "bpe" / f"train.{langs[1]}")
    number, pair = 0, ("", "")
    for origin, target in zip(origins, targets, strict=True):
        part, line, rank = origin.split("\t")
        if part != "train" or rank != "0":
            continue
        while number < int(line):
            numbered = next(pairs, None)
            if numbered is None:
                raise UserError(
                    f"{sides[0]} must be the corpus that {distilled} was made from, "
                    f"but has {number} lines where line {line} is asked for."
                )
            number, pair = numbered
        yield undo_bpe(pair[0]), undo_bpe(pair[1]), undo_bpe(target)


def sums(places: Ints, weights: Floats, least: int = 0) -> Floats:
    """Returns the sum of the weights at each place."""
    return numpy.bincount(places, weights, least).astype(numpy.float64)


def entropies(table: Table) -> tuple[Floats, Floats]:
    """Returns H(y | x) in nats and the number of links of each source word x."""
    source, _, counts = table
    totals = sums(source, counts)
    shares = counts / totals[source]
    return sums(source, -shares * numpy.log(shares)), totals


def divergences(human: Table, other: Table, vocabulary: int) -> Floats:
    """Returns KL(p_human(y | x) || p_other(y | x)) of each source word of `human`."""
    source, target, counts = human
    totals = sums(source, counts)
    width = vocabulary + 1
    keys = other[0] * width + other[1]  # ascending: they come from `unique`
    wanted = source * width + target
    places = numpy.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    other_counts = numpy.where(keys[places] == wanted, other[2][places], 0.0)
    other_totals = sums(other[0], other[2], len(totals))[source]
    ratio = smoothed(counts, totals[source], width) / smoothed(
        other_counts, other_totals, width
    )
    shares = counts / totals[source]
    terms = sums(source, shares * numpy.log(ratio))
    return terms[totals > 0]


def smoothed(counts: Floats, totals: Floats, width: int) -> Floats:
    """Returns probabilities none of which is 0."""
    return (counts + SMOOTHING) / (totals + SMOOTHING * width)


class Figures(TypedDict):
    """Of a text, in nats."""

    conditional_entropy: float
    conditional_entropy_by_token: float
    faithfulness: float


class Complexity(TypedDict):
    """Of the human and of the distilled text of the same sources."""

    kind: str
    pairs: int
    human: Figures
    distilled: Figures


def measure(triples: list[Triple]) -> Complexity:
    """Returns both measures of the human and of the distilled text."""
    source_words, target_words = Vocabulary(), Vocabulary()
    tables = {}
    for name, column in (("human", 1), ("distilled", 2)):
        pairs = [(triple[0], triple[column]) for triple in triples]
        tables[name] = count_links(pairs, source_words, target_words)

    def figures(table: Table) -> Figures:
        entropy, totals = entropies(table)
        by_token = float((entropy * totals).sum() / totals.sum())
        kl = divergences(tables["human"], table, len(target_words))
        return {
            "conditional_entropy": round(float(entropy[totals > 0].mean()), 4),
            "conditional_entropy_by_token": round(by_token, 4),
            "faithfulness": round(float(kl.mean()), 4),
        }

    return {
        "kind": "complexity",
        "pairs": len(triples),
        "human": figures(tables["human"]),
        "distilled": figures(tables["distilled"]),
    }


def show(result: Complexity) -> str:
    """Returns a Markdown table."""
    lines = [
        "| training text | conditional entropy | by token | faithfulness |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, figures in (
        ("human", result["human"]),
        ("distilled", result["distilled"]),
    ):
        lines.append(f"| {name} | " + " | ".join(map(str, figures.values())) + " |")
    note = f"{result['pairs']} pairs of the same sources; nats."
    return "\n".join([*lines, "", note])


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--human", type=Path, required=True, help="corpus made by prepare.py")
    add("--distilled", type=Path, required=True, help="corpus made by distill.py")
    add("--pairs", type=int, default=50_000, help="look at so many pairs at most")
    add("--out", type=Path, help="write the figures to this JSON file as well")
    args = parser.parse_args(argv)
    with errors_as_sentences():
        if args.pairs < 1:
            raise UserError(f"--pairs must be at least 1, but is {args.pairs} instead.")
        langs = read_manifest(args.distilled)["langs"]
        triples = read_triples(args.human, args.distilled, langs)
        chosen = list(islice(triples, args.pairs))
        if not chosen:
            raise UserError(f"{args.distilled} has no translation of {args.human}.")
        result = measure(chosen)
        if args.out is not None:
            write_json(result, args.out)
        print(show(result))


if __name__ == "__main__":
    main()
