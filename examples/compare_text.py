"""Is our text processing the same as sacremoses's and subword-nmt's, and how fast?

    python examples/compare_text.py --data DATA raw/train.en raw/train.de

Sends every line of plain text files through both, as a source sentence and as a
translation, and prints lines, differences and milliseconds of CPU time a line as a row
of JSON for each file; the first differences go to standard error. The exit code is 1 if
there are any. DATA is a folder with dictionaries, `text.json` and subword codes.

A file is read in the order it has, so that the time of ours holds what is new in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from fairseq.data import Dictionary, encoders
from sacremoses import MosesPunctNormalizer

from examples.lib.scripts import positive, refusals
from vq_nat.text.codec import IndexCodec
from vq_nat.text.dictionary import Dictionary as OwnDictionary
from vq_nat.text.folder import QUOTES
from vq_nat.text.punctuation import normalise
from vq_nat.text.quotes import join

Process = Callable[[str], Any]
SHOWN = 5  # differences


class Reference:
    """What fairseq does with text, step by step.

    Args:
        data: folder with dictionary, `text.json` and subword codes.
    """

    def __init__(self, data: Path) -> None:
        recipe = json.loads((data / "text.json").read_text(encoding="utf-8"))
        source, target = recipe["source_lang"], recipe["target_lang"]
        self.normaliser = MosesPunctNormalizer(
            source, norm_quote_commas=False, norm_numbers=False
        )
        self.target, plain = target, recipe.get(QUOTES, [source, target])
        self.plain_quotes = target in plain
        options = {
            "bpe_codes": str(data / "bpe.codes"),
            "sentencepiece_model": str(data / "sentencepiece.model"),
        }
        self.tokenizer = encoders.build_tokenizer(
            Namespace(
                tokenizer=recipe["tokenizer"], source_lang=source, target_lang=target
            )
        )
        self.bpe = encoders.build_bpe(Namespace(bpe=recipe["bpe"], **options))
        self.dictionary = Dictionary.load(str(data / f"dict.{source}.txt"))

    def encode(self, line: str) -> tuple[str, list[int]]:
        """Turns a line into subwords and their indices, end of sentence included."""
        words = self.tokenizer.encode(self.normaliser.normalize(line))
        subwords = self.bpe.encode(words)
        tokens = self.dictionary.encode_line(subwords, add_if_not_exist=False)
        signs = tokens[:-1] < self.dictionary.nspecial
        tokens[:-1][signs] = self.dictionary.unk()
        return " ".join(subwords.split()), tokens.tolist()

    def join(self, subwords: str) -> str:
        """Turns subwords into a line."""
        text, decode = self.bpe.decode(subwords), self.tokenizer.decode
        text = decode(text) if self.plain_quotes else join(text, self.target, decode)
        return " ".join(text.splitlines())


class Own:
    """What `vq_nat.text` does, behind the same doors.

    Args:
        data: folder with dictionary, `text.json` and subword codes.
    """

    def __init__(self, data: Path) -> None:
        recipe = json.loads((data / "text.json").read_text(encoding="utf-8"))
        dictionary = OwnDictionary.load(data / f"dict.{recipe['source_lang']}.txt")
        self.codec = IndexCodec(data, dictionary, dictionary)

    def encode(self, line: str) -> tuple[str, list[int]]:
        """Turns a line into subwords and their indices, end of sentence included."""
        tokens = self.codec.tokenizer.tokens(normalise(line))
        return " ".join(self.codec.bpe.pieces(tokens)), self.codec.source_indices(line)

    def join(self, subwords: str) -> str:
        """Turns subwords into a line."""
        text = self.codec.tokenizer.decode(self.codec.bpe.decode(subwords))
        return " ".join(text.splitlines())


def timed(process: Process, lines: Iterable[str]) -> tuple[list[Any], float]:
    """Returns what a process makes of lines, and the seconds."""
    start = time.process_time()
    outputs = [process(line) for line in lines]
    return outputs, time.process_time() - start


def compare(path: Path, data: Path, limit: int) -> dict[str, Any]:
    """Compares both on a file."""
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\r\n") for line in file][:limit]
    reference, own = Reference(data), Own(data)
    row: dict[str, Any] = {"file": path.name, "lines": len(lines)}
    # Ours first as a user calls it: nothing is remembered yet.
    _, seconds = timed(own.codec.source_indices, lines)
    row["encode_ms"] = round(1000 * seconds / max(1, len(lines)), 4)
    subwords: list[str] = []
    for name, door in (("encode", "encode"), ("join", "join"), ("join_raw", "join")):
        inputs = subwords if name == "join" else lines
        ours, seconds = timed(getattr(own, door), inputs)
        theirs, theirs_seconds = timed(getattr(reference, door), inputs)
        if name == "encode":
            subwords = [output[0] for output in theirs]
        wrong = [trio for trio in zip(inputs, ours, theirs) if trio[1] != trio[2]]
        for given, written, wanted in wrong[:SHOWN]:
            print(f"{name}: {given!r}\n  {written!r}\n  {wanted!r}", file=sys.stderr)
        count = max(1, len(lines))
        row[name] = {
            "different": len(wrong),
            "ms": round(1000 * seconds / count, 4),
            "reference_ms": round(1000 * theirs_seconds / count, 4),
        }
    return row


def main() -> int:
    """Compares the files and returns the exit code."""
    parser = argparse.ArgumentParser(description="Compare text processing.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, help="prepared corpus")
    parser.add_argument(
        "--limit", type=positive, help="lines of each file (default: all)"
    )
    options = parser.parse_args()
    differences = 0
    for path in options.files:
        row = compare(path, options.data, options.limit)
        print(json.dumps(row), flush=True)
        differences += sum(v["different"] for v in row.values() if isinstance(v, dict))
    return int(differences > 0)


if __name__ == "__main__":
    with refusals():
        sys.exit(main())
