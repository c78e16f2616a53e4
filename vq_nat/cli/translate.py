"""The command `vq-nat translate`: raw lines in, translations out."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .. import load
from ..text.lines import NotUTF8Error, decode_lines, in_batches, read_lines
from .arguments import positive
from .decoding import add_decoding, chosen


def add_translate_command(commands: Any) -> None:
    """Adds `translate` to the subparsers of `vq-nat`."""
    translate = commands.add_parser(
        "translate",
        help="translate raw text, one sentence a line",
        description="Translates standard input to standard output: one line out for "
        "each line in, written as soon as a batch of lines is done.",
    )
    translate.add_argument(
        "model",
        metavar="MODEL",
        help="folder that export wrote, checkpoint, or folder with checkpoint_best.pt",
    )
    translate.add_argument(
        "--data",
        metavar="DIR",
        help="folder with dictionaries, bpe.codes and text.json (default: the "
        "checkpoint's folder, or the data it was trained on)",
    )
    translate.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        metavar="N",
        help="lines read and translated at a time (default: 64)",
    )
    add_decoding(translate)
    add_lines(translate)
    translate.set_defaults(run=run_translate)


def add_lines(translate: argparse.ArgumentParser) -> None:
    """Adds what lines are read beside those to translate, and what is written."""
    translate.add_argument(
        "--nbest",
        type=positive,
        metavar="N",
        help="write up to N translations of each line, with the line's number and "
        "their scores, in columns",
    )
    translate.add_argument(
        "--json",
        action="store_true",
        help="write a JSON object a line: translations with scores, codes and times",
    )
    translate.add_argument(
        "--references",
        type=Path,
        metavar="FILE",
        help="their translations, a line each, for --true-codes and --true-latents",
    )
    translate.add_argument(
        "--invalid-utf8",
        choices=("fail", "replace"),
        default="fail",
        help="what to do with a line that is not UTF-8 (default: fail)",
    )


def run_translate(options: argparse.Namespace) -> None:
    """Translates standard input, a batch of lines at a time."""
    refuse_closed()
    decoding = chosen(options)
    references = read_references(options.references)
    translator = load(
        options.model, data=options.data, device=options.device, **decoding
    )
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    lines, done = input_lines(options.invalid_utf8), 0
    with line_counter() as progress:
        for batch in in_batches(lines, options.batch_size):
            given: dict[str, Any] = {}
            if references is not None:
                given["references"] = references[done : done + len(batch)]
            for outputs in translator.nbest(
                batch, batch_size=options.batch_size, **given
            ):
                done += 1
                for line in written(done, outputs, options):
                    print(line)
            sys.stdout.flush()
            progress.update(len(batch))
    if references is not None and len(references) != done:
        raise ValueError(
            f"{options.references} must have as many lines as the input ({done}), but "
            f"has {len(references)} instead."
        )


def refuse_closed() -> None:
    """Refuses to translate where nothing could be read or written.

    Raises:
        OSError: if standard input or output is closed.
    """
    for stream, word in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None:  # as Python has it
            raise OSError(f"standard {word} must be open, but is closed.")


def line_counter() -> Any:
    """Shows how many lines are done, if standard error is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext(SimpleNamespace(update=lambda lines: None))
    from tqdm import tqdm

    return tqdm(unit=" lines", leave=False)


def written(
    number: int, outputs: Sequence[Any], options: argparse.Namespace
) -> Iterator[str]:
    """Yields what is written for one line of input: one line, or with --nbest several.

    Args:
        number: of the line, from 1.
        outputs: its translations, the best first.
        options: of the command.
    """
    kept = outputs[: options.nbest or 1]
    if options.json:
        translations = [
            {
                "text": one.text,
                "score": one.score,
                "rank_score": one.rank_score,
                "teacher_score": one.teacher_score,
                "passes": one.passes,
                "tokens": one.tokens,
                "history": list(one.history),
                "codes": one.codes,
                "ms": round(1000 * one.seconds, 3),
                "teacher_ms": round(1000 * one.teacher_seconds, 3),
            }
            for one in kept
        ]
        yield json.dumps({"line": number, "translations": translations})
    elif options.nbest:
        for one in kept:
            yield f"{number}\t{one.rank_score:.4f}\t{one.text}"
    else:
        yield kept[0].text


def read_references(path: Path | None) -> list[str] | None:
    """Reads the translations that are given, if there are any."""
    if path is None:
        return None
    return read_lines(path)


def input_lines(invalid: str) -> Iterator[str]:
    """Yields the lines of standard input; only a line feed ends one.

    Args:
        invalid: "fail", or "replace" what is not UTF-8 by U+FFFD.

    Raises:
        ValueError: if a line is not UTF-8.
    """
    errors = "strict" if invalid == "fail" else "replace"
    try:
        yield from decode_lines(sys.stdin.buffer, "standard input", errors)
    except NotUTF8Error as error:
        raise ValueError(f"{error} (--invalid-utf8 replace goes on)") from error
