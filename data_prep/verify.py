"""Checks a corpus against its manifest, and against what every corpus must keep.

Hashes of all files; both sides of every set aligned; no test sentence in training;
validation and test sets human. With --data also that the training sources
are those of the human corpus, line by line; with --teacher that the teacher finds each
target more probable after its own source than after another one.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.manifest import read_manifest
from data_prep.lib.mono import digest
from data_prep.lib.steps import UserError, errors_as_sentences, sha256, tell
from data_prep.lib.text import read_lines, read_pairs

SPOT_CHECK = 100  # pairs
MIN_ALIGNED = 0.9  # share of pairs that beat their shuffled partners


@dataclass(frozen=True)
class Corpus:
    """A corpus and its manifest."""

    folder: Path
    manifest: dict[str, Any]
    human: Path | None = None  # the corpus it was distilled from
    teacher: Path | None = None

    @property
    def langs(self) -> list[str]:
        """Source language, target language."""
        return self.manifest["langs"]

    def sides(self, kind: str, split: str) -> list[Path]:
        """Returns both files of a set."""
        return [self.folder / kind / f"{split}.{lang}" for lang in self.langs]


def check_hashes(corpus: Corpus) -> Iterator[str]:
    """Every file is there, and as it was."""
    for name, expected in corpus.manifest["files"].items():
        path = corpus.folder / name
        if not path.is_file():
            yield f"{path} is missing."
        elif sha256(path) != expected:
            yield f"{path} is not the file that the manifest describes."


def check_alignment(corpus: Corpus) -> Iterator[str]:
    """Both sides of each set have the same number of lines, none of them empty."""
    for kind in ("raw", "tok", "bpe"):
        for split in corpus.manifest["splits"]:
            source, target = corpus.sides(kind, split)
            try:
                for number, pair in enumerate(read_pairs(source, target), start=1):
                    if kind == "bpe" and not all(pair):
                        yield f"{source}, line {number}: a side of the pair is empty."
                        break
            except UserError as error:
                yield str(error)


def check_leaks(corpus: Corpus) -> Iterator[str]:
    """Tells test sources among the training sources; of validation, how many."""
    train = corpus.sides("tok", "train")[0]
    for split in corpus.manifest["splits"]:
        path = corpus.sides("tok", split)[0]
        if split == "train":
            continue
        tested = {digest(line): n for n, line in enumerate(read_lines(path), start=1)}
        shared = [
            (number, tested[key])
            for number, key in enumerate(map(digest, read_lines(train)), start=1)
            if key in tested
        ]
        if not shared:
            continue
        text = f"{train} holds {len(shared)} sentences of {path}: "
        text += f"line {shared[0][0]} is its line {shared[0][1]}"
        if split.startswith("test"):
            yield f"{text}."
        else:
            tell(f"note: {text}")


def check_human(corpus: Corpus) -> Iterator[str]:
    """Validation and test sets are those of the human corpus."""
    for name, expected in corpus.manifest["human"].items():
        if Path(name).name.startswith("train."):
            continue
        for folder in filter(None, (corpus.folder, corpus.human)):
            path = folder / name
            if not path.is_file() or sha256(path) != expected:
                yield f"{path} is not the human text that the manifest describes."


def check_origin(corpus: Corpus) -> Iterator[str]:
    """Each training source is the line of the human corpus that it claims to be."""
    if corpus.human is None:
        return
    lang = corpus.langs[0]
    lines = list(read_lines(corpus.human / "bpe" / f"train.{lang}"))
    path = corpus.folder / "bpe" / "train.origin"
    origins = read_pairs(path, corpus.sides("bpe", "train")[0])
    for number, (origin, source) in enumerate(origins, start=1):
        part, line, _ = origin.split("\t")
        place = int(line)
        there = 0 < place <= len(lines) and lines[place - 1] == source
        if part != "mono" and not there:
            yield (
                f"{path}, line {number}: the source is not line {line} of the human "
                f"corpus {corpus.human}."
            )
            return


def check_losses(corpus: Corpus) -> Iterator[str]:
    """The teacher prefers aligned pairs to shuffled ones."""
    if corpus.teacher is None:
        return
    if sha256(corpus.teacher) != corpus.manifest["teacher"]["sha256"]:
        yield f"{corpus.teacher} is not the teacher that the manifest names."
        return
    pairs = draw_pairs(corpus, SPOT_CHECK)
    aligned, shuffled = score(corpus, pairs), score(corpus, rotated(pairs))
    better = sum(a < b for a, b in zip(aligned, shuffled)) / len(pairs)
    means = [sum(losses) / len(pairs) for losses in (aligned, shuffled)]
    tell(
        f"loss per subword of {len(pairs)} pairs: {means[0]:.3f} aligned, "
        f"{means[1]:.3f} shuffled; aligned is lower for {100 * better:.0f} %"
    )
    if better < MIN_ALIGNED:
        yield (
            "The teacher must find targets more probable after their own sources in "
            f"{100 * MIN_ALIGNED:.0f} % of the pairs, but does in {100 * better:.0f} % "
            "instead."
        )


def draw_pairs(corpus: Corpus, number: int) -> list[tuple[str, str]]:
    """Returns random training pairs in subwords, in one pass and little memory."""
    draw, chosen = random.Random(1), []
    for index, pair in enumerate(read_pairs(*corpus.sides("bpe", "train"))):
        if index < number:
            chosen.append(pair)
        elif (place := draw.randrange(index + 1)) < number:
            chosen[place] = pair
    return chosen


def rotated(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Gives each source the target of another pair."""
    sources, targets = zip(*pairs, strict=True)
    return list(zip(sources, targets[1:] + targets[:1], strict=True))


def score(corpus: Corpus, pairs: list[tuple[str, str]]) -> list[float]:
    """Returns the teacher's loss per subword of each pair."""
    from data_prep.lib.teachers import target_losses

    assert corpus.teacher is not None
    return target_losses(corpus.teacher, corpus.folder / "bin", pairs)


CHECKS: dict[str, Callable[[Corpus], Iterator[str]]] = {
    "hashes": check_hashes,
    "alignment": check_alignment,
    "no test sentence in training": check_leaks,
    "validation and test human": check_human,
    "training sources": check_origin,
    "teacher's loss": check_losses,
}


def verify(corpus: Corpus) -> list[str]:
    """Returns all that is wrong with a corpus, a sentence each."""
    wrong = []
    for name, check in CHECKS.items():
        try:
            faults = list(check(corpus))
        except UserError as error:
            faults = [str(error)]
        tell(f"{name}: {'FAILED' if faults else 'ok'}")
        wrong += faults
    return wrong


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="distilled corpus")
    add("--data", type=Path, help="the human corpus it was made of")
    add("--teacher", type=Path, help="the teacher's checkpoint")
    args = parser.parse_args(argv)
    with errors_as_sentences():
        manifest = read_manifest(args.folder)
        for path in filter(None, (args.data, args.teacher)):
            if not path.exists():
                raise UserError(f"{path} is missing.")
        wrong = verify(Corpus(args.folder, manifest, args.data, args.teacher))
        for sentence in wrong:
            tell(f"wrong: {sentence}")
        if wrong:
            raise UserError(f"{args.folder} has {len(wrong)} faults.")
    tell(f"{args.folder} is as its manifest says")


if __name__ == "__main__":
    main()
