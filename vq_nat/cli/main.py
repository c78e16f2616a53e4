"""The command `vq-nat`: parses and calls; whatever it does is done elsewhere."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from .. import __version__, load
from ..extras import missing
from ..text.lines import NotUTF8Error, decode_lines, in_batches, read_lines
from .arguments import device, positive
from .decoding import add_decoding, chosen
from .diagnose import add_diagnose_command
from .image import add_image_commands

INTERRUPTED = 130  # as a shell says of a program that SIGINT has ended: 128 + 2


class SentenceParser(argparse.ArgumentParser):
    """Says in one sentence what is wrong, instead of repeating the usage."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`.\n")


def build_parser() -> argparse.ArgumentParser:
    """Describes the commands and their options."""
    parser = SentenceParser(
        prog="vq-nat", description="Translation by discrete latent variables."
    )
    parser.add_argument("--version", action="version", version=f"vq-nat {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    where = commands.add_parser("where", help="print the path for fairseq's --user-dir")
    where.set_defaults(run=run_where)

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
    translate.set_defaults(run=run_translate)

    exported = commands.add_parser(
        "export",
        help="write a model for the engine, which decodes faster",
        description="Writes a folder that translate reads as a MODEL, without torch, "
        "fairseq or any other file. It runs on CPUs, many times as fast as the "
        "checkpoint at batch size 1.",
    )
    exported.add_argument(
        "model", metavar="MODEL", help="checkpoint of a latent model, or of a teacher"
    )
    exported.add_argument("out", metavar="OUT", help="the folder to make")
    exported.add_argument(
        "--data",
        metavar="DIR",
        help="folder with dictionaries, bpe.codes and text.json (default: the "
        "checkpoint's folder, or the data it was trained on)",
    )
    exported.add_argument(
        "--format",
        dest="kind",
        choices=("engine", "onnx"),
        default="engine",
        help="engine: this project's own; onnx: graphs of a latent model for ONNX "
        "Runtime (default: engine)",
    )
    exported.add_argument(
        "--number-format",
        choices=("int8", "float32"),
        help="of matrix products (default: int8, with --format onnx float32)",
    )
    exported.add_argument(
        "--int8",
        dest="number_format",
        action="store_const",
        const="int8",
        help="the same as --number-format int8",
    )
    exported.set_defaults(run=run_export)

    codes = commands.add_parser(
        "codes",
        help="show what each code of a latent model stands for",
        description="Writes which words, places and lengths each code stands for, and "
        "a page that shows sentences with their codes, and what changes if one code "
        "is another.",
    )
    codes.add_argument("model", metavar="MODEL", help="a latent model's checkpoint")
    codes.add_argument("data", metavar="DATA", help="folder with its prepared data")
    codes.add_argument(
        "--split", default="valid", help="whose references are read (default: valid)"
    )
    codes.add_argument(
        "--out",
        type=Path,
        default=Path("codes"),
        metavar="DIR",
        help="where codes.json, codes.tsv and codes.html go (default: codes)",
    )
    codes.add_argument(
        "--sentence",
        action="append",
        metavar="TEXT",
        help="sentence of the page, may be repeated (default: three of the split)",
    )
    codes.add_argument(
        "--swaps", type=positive, default=4, metavar="N", help="rivals of each code"
    )
    codes.add_argument(
        "--device", type=device, default="cpu", help="cpu, cuda, … (default: cpu)"
    )
    codes.set_defaults(run=run_codes)

    measure = commands.add_parser(
        "measure", help="score and time a system on a test set, and write its row"
    )
    measure.add_argument("system", help="name of the row, for instance teacher-beam4")
    measure.add_argument("checkpoint", type=Path, help="its checkpoint")
    measure.add_argument("--label", help="name for readers (default: that of the row)")
    measure.add_argument(
        "--raw",
        type=Path,
        required=True,
        help="folder with test.SOURCE and test.TARGET, in the checkpoint's languages",
    )
    measure.add_argument("--corpus", required=True, help="name of the corpus")
    measure.add_argument("--test-set", default="test", help="name of the test set")
    measure.add_argument("--log", type=Path, help="fairseq's JSON log of the training")
    measure.add_argument(
        "--rows", type=Path, default=Path("rows"), help="where CORPUS/SYSTEM.json goes"
    )
    measure.add_argument("--threads", type=positive, default=2, help="default: 2")
    measure.add_argument(
        "--clock",
        dest="clocks",
        action="append",
        default=[],
        metavar="BATCH:THREADS",
        help="time batches of this size with so many threads as well, 0 for the "
        "largest that fits and for all threads; may be repeated",
    )
    measure.add_argument(
        "--stages", action="store_true", help="tell the time apart by stage"
    )
    measure.add_argument(
        "--engine",
        choices=("torch", "onnx", "ctranslate2", "vq-nat"),
        default="torch",
        help="what runs it; onnx for latent models, ctranslate2 for autoregressive "
        "ones, vq-nat for both (default: torch)",
    )
    measure.add_argument(
        "--compute-type",
        help="of other engines than torch: float32, int8, … (default: float32)",
    )
    add_decoding(measure)
    measure.set_defaults(run=run_measure)

    table = commands.add_parser(
        "table", help="print the table of measured systems from a folder of rows"
    )
    table.add_argument("rows", metavar="ROWS_DIR", type=Path, help="folder of *.json")
    table.add_argument(
        "--markdown", action="store_true", help="as Markdown, not in plain columns"
    )
    table.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="write the tables between the `<!-- results:CORPUS -->` marks of FILE",
    )
    table.set_defaults(run=run_table)

    add_diagnose_command(commands)
    add_image_commands(commands)
    return parser


def run_where(options: argparse.Namespace) -> None:
    """Prints the package's folder, spelled as Python imported it."""
    print(Path(__file__).absolute().parents[1])


def run_translate(options: argparse.Namespace) -> None:
    """Translates standard input, a batch of lines at a time."""
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
            for found in translator.nbest(
                batch, batch_size=options.batch_size, **given
            ):
                done += 1
                for line in written(done, found, options):
                    print(line)
            sys.stdout.flush()
            progress.update(len(batch))
    if references is not None and len(references) != done:
        raise ValueError(
            f"{options.references} must have as many lines as the input ({done}), but "
            f"has {len(references)} instead."
        )


def line_counter() -> Any:
    """Shows how many lines are done, if standard error is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext(SimpleNamespace(update=lambda lines: None))
    from tqdm import tqdm

    return tqdm(unit=" lines", leave=False)


def written(
    number: int, found: Sequence[Any], options: argparse.Namespace
) -> Iterator[str]:
    """Yields what is written for one line of input: one line, or with --nbest several.

    Args:
        number: of the line, from 1.
        found: its translations, the best first.
        options: of the command.
    """
    kept = found[: options.nbest or 1]
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


def run_export(options: argparse.Namespace) -> None:
    """Exports a model, and prints where it is."""
    place = (options.model, options.out, options.data)
    if options.kind == "onnx":
        from ..translation.onnx.export import export_checkpoint as export_onnx

        export_onnx(*place, int8=options.number_format == "int8")
    else:
        from ..translation.export import export_checkpoint

        export_checkpoint(*place, number_format=options.number_format or "int8")
    print(options.out)


def run_codes(options: argparse.Namespace) -> None:
    """Writes what the codes stand for, and prints where."""
    from ..explain.inventory import (
        count_codes,
        describe,
        read_chunks,
        require_codes,
        some_sentences,
        write_records,
    )
    from ..explain.page import draw, page
    from ..results.rows import write_text

    translator: Any = load(options.model, data=options.data, device=options.device)
    require_codes(translator)
    sentences = options.sentence or some_sentences(translator, options.split)
    pictures = [draw(translator, sentence, options.swaps) for sentence in sentences]
    inventory = count_codes(read_chunks(translator, options.split))
    records = describe(inventory)
    for kind in ("json", "tsv"):
        write_records(records, options.out / f"codes.{kind}")
        print(options.out / f"codes.{kind}")
    html = options.out / "codes.html"
    write_text(page(pictures, inventory), html)
    print(html)


def run_measure(options: argparse.Namespace) -> None:
    """Measures one system and prints where its row is."""
    from ..bench.systems import Clock, Conditions, System, TestSet, measure
    from ..results.rows import row_path, write_json
    from ..translation.loading import languages_of

    system = System(
        options.system,
        options.label or options.system,
        options.checkpoint,
        options.log,
        options.engine,
        measured_decoding(options),
    )
    languages = languages_of(options.checkpoint)
    test_set = TestSet.read(options.raw, options.corpus, options.test_set, languages)
    conditions = Conditions(
        device=options.device,
        threads=options.threads,
        clocks=tuple(Clock.read(text) for text in options.clocks),
        stages=options.stages,
    )
    path = row_path(options.rows, options.corpus, options.system)
    row = measure(system, [test_set], conditions, beside=path)
    print(write_json(row, path))


def measured_decoding(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the decoding options that differ from plain decoding, for the row.

    Raises:
        ValueError: for a number format of an engine that is not used.
    """
    decoding = chosen(options)
    if options.engine == "ctranslate2":
        for name in decoding:
            if name != "beam":
                raise ValueError(f"`{name}` is no option of `--engine ctranslate2`.")
        decoding["beam"] = options.beam
    if options.compute_type is not None:
        if options.engine == "torch":
            raise ValueError("`--compute-type` must come with another `--engine`.")
        decoding["compute_type"] = options.compute_type
    return decoding


def run_table(options: argparse.Namespace) -> None:
    """Prints the main table of the rows in a folder."""
    from ..results.tables import load_rows, main_table

    if not options.rows.is_dir():
        raise FileNotFoundError(f"the folder {options.rows} does not exist.")
    rows = load_rows(options.rows)
    if not rows:
        raise ValueError(f"{options.rows} must hold rows (*.json), but has none.")
    if options.readme is not None:
        from ..results.tables import update_readme

        update_readme(options.readme, rows)
        return
    table = main_table(rows)
    print(table if options.markdown else plain_columns(table))


def plain_columns(markdown: str) -> str:
    """Sets the tables of a Markdown text in columns; other lines stay as they are."""
    lines = markdown.splitlines()
    rows = {
        i: [cell.strip() for cell in line.strip().strip("|").split("|")]
        for i, line in enumerate(lines)
        if line.lstrip().startswith("|")
    }
    ruler = {i for i, row in rows.items() if not set("".join(row)) - set(":-")}
    width = max((len(row) for row in rows.values()), default=0)
    widths = [
        max(len(row[c]) for i, row in rows.items() if c < len(row) and i not in ruler)
        for c in range(width)
    ]
    for i, row in rows.items():
        cells = ["-" * w for w in widths] if i in ruler else row
        padded = (cell.ljust(w) for cell, w in zip(cells, widths))
        lines[i] = "  ".join(padded).rstrip()
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Returns:
        0; 2 with one sentence of what is wrong; 130 if the user interrupts it.
    """
    options = build_parser().parse_args(arguments)
    # Before fairseq is imported, which would have all libraries tell what they do.
    logging.basicConfig(level=logging.WARNING)
    try:
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("vq-nat: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:
        print(f"vq-nat: {missing(error)}", file=sys.stderr)
        return 2
    except (ImportError, OSError, ValueError) as error:
        print(f"vq-nat: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
