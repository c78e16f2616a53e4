"""Generates the demo corpus: English sentences about times, dates, prices, quantities.

Needs no download. A German sentence is one of several correct wordings, chosen at
random; OUT/raw/{valid,test}.refs.json list all of them, so that a translation can be
told right or wrong. The same seed gives the same bytes.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.demo_draws import Draw
from data_prep.lib.demo_frames import Sentence, draw_sentence, english_text, references
from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, tell
from data_prep.lib.text import write_lines

GENERATOR_VERSION = 2  # raise when the same seed gives other sentences
MAX_FAILURES = 10_000  # draws in a row that give no new sentence


def draw_corpus(draw: Draw, size: int) -> list[Sentence]:
    """Draws sentences that all differ in English.

    Raises:
        UserError: if there are not that many different sentences.
    """
    corpus: dict[str, Sentence] = {}
    failures = 0
    while len(corpus) < size:
        sentence = draw_sentence(draw)
        text = english_text(sentence)
        failures = failures + 1 if text in corpus else 0
        corpus.setdefault(text, sentence)
        if failures > MAX_FAILURES:
            raise UserError(
                f"--train, --valid and --test ask for {size} different sentences, "
                f"but there are only about {len(corpus)}."
            )
    return list(corpus.values())


def write_split(folder: Path, split: str, corpus: list[Sentence], draw: Draw) -> None:
    """Writes one split, and all correct renderings of what is tested."""
    all_references = [references(sentence) for sentence in corpus]
    write_lines(folder / f"{split}.en", map(english_text, corpus))
    write_lines(folder / f"{split}.de", map(draw.choice, all_references))
    if split != "train":
        rows = [json.dumps(row, ensure_ascii=False) for row in all_references]
        text = "[\n" + ",\n".join(rows) + "\n]\n"
        path = folder / f"{split}.refs.json"
        path.write_text(text, encoding="utf-8", newline="\n")


def generate(seed: int, sizes: dict[str, int], folder: Path) -> None:
    """Writes all splits; no English sentence occurs twice in the whole corpus."""
    draw = Draw(seed)
    corpus = draw_corpus(draw, sum(sizes.values()))
    for split, size in sizes.items():
        write_split(folder, split, corpus[:size], draw)
        del corpus[:size]
        tell(f"raw: {split}, {size} pairs")


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the text goes to OUT/raw")
    add("--seed", type=int, default=1, help="another seed, another corpus")
    add("--train", type=int, default=20_000, help="number of training pairs")
    add("--valid", type=int, default=1_000, help="number of validation pairs")
    add("--test", type=int, default=1_000, help="number of test pairs")
    args = parser.parse_args(argv)
    sizes = {split: getattr(args, split) for split in ("train", "valid", "test")}
    with errors_as_sentences():
        for split, size in sizes.items():
            if size < 1:
                raise UserError(f"--{split} must be at least 1, but is {size} instead.")
        with Workspace(args.out) as work:
            options = {
                "version": GENERATOR_VERSION,
                "seed": args.seed,
                "sizes": sizes,
            }
            work.step("raw", {}, options, partial(generate, args.seed, sizes))


if __name__ == "__main__":
    main()
