"""Makes a lexical shortlist: for each source word, what it is likely translated by.

    python data_prep/shortlist.py runs/demo/corpus-distilled --out shortlist.txt

The training text is aligned (fast_align's model); of each source subword the target
subwords that it is linked to most often stay, and beside them the most frequent ones
are allowed in every sentence (Jean et al. 2015, arXiv 1412.2007, section 3.3). An
exported model that is given the file (`--shortlist`) looks at these words alone. The
file is that of CTranslate2's `vmap`.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.align import Vocabulary, count_links
from data_prep.lib.distillation import read_plans
from data_prep.lib.steps import UserError, errors_as_sentences
from data_prep.lib.text import read_lines, read_pairs, write_lines

Pairs = Sequence[tuple[str, str]]


def known_words(dictionary: Path) -> frozenset[str]:
    """Returns the words of a dictionary of fairseq's; more text has others."""
    return frozenset(line.split(" ")[0] for line in read_lines(dictionary))


def only_known(text: str, known: frozenset[str]) -> str:
    """Returns a text without the words that a model does not have."""
    return " ".join(word for word in text.split() if word in known)


def best_words(pairs: Pairs, best: int) -> dict[str, list[str]]:
    """Returns the target words that each source word is linked to most often.

    Args:
        pairs: source and target, in subwords with blanks between them.
        best: how many of a word; of equally frequent ones those of the first sentences.
    """
    source_words, target_words = Vocabulary(), Vocabulary()
    table = count_links(list(pairs), source_words, target_words)
    names = {number: word for word, number in target_words.items()}
    links: dict[int, list[tuple[float, int]]] = {}
    for source, target, count in zip(*(part.tolist() for part in table), strict=True):
        links.setdefault(source, []).append((-count, target))
    return {
        word: [names[target] for _, target in sorted(links.get(number, []))[:best]]
        for word, number in source_words.items()
    }


def frequent_words(pairs: Pairs, most: int) -> list[str]:
    """Returns the most frequent target words."""
    counts = Counter(word for _, target in pairs for word in target.split())
    return [word for word, _ in counts.most_common(most)]


def lines_of(words: dict[str, list[str]], always: list[str]) -> list[str]:
    """Returns the lines of the file, the one for every sentence first."""
    pairs = [("", always), *sorted(words.items())]
    return [f"{word}\t{' '.join(allowed)}" for word, allowed in pairs]


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("corpus", type=Path, help="made by prepare.py or distill.py")
    add("--out", type=Path, required=True, help="the file to write")
    add("--best", type=int, default=30, help="of each source word (default: 30)")
    add("--frequent", type=int, default=200, help="in every sentence (default: 200)")
    add("--pairs", type=int, default=200_000, help="look at so many pairs at most")
    args = parser.parse_args(argv)
    with errors_as_sentences():
        for name in ("best", "frequent", "pairs"):
            value = getattr(args, name)
            if value < 1:
                raise UserError(f"--{name} must be at least 1, but is {value} instead.")
        corpus, _ = read_plans(args.corpus, args.out, workers=1)
        sides = [corpus.out / "bpe" / f"train.{lang}" for lang in corpus.langs]
        binary = corpus.out / "bin"
        known = [known_words(binary / f"dict.{lang}.txt") for lang in corpus.langs]
        texts = (
            (only_known(source, known[0]), only_known(target, known[1]))
            for source, target in islice(read_pairs(*sides), args.pairs)
        )
        pairs = [pair for pair in texts if all(pair)]
        if not pairs:
            raise UserError(f"{sides[0]} must have sentences, but has none.")
        words = best_words(pairs, args.best)
        write_lines(args.out, lines_of(words, frequent_words(pairs, args.frequent)))
        print(args.out)


if __name__ == "__main__":
    main()
