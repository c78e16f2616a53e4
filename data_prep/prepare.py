"""Prepares a parallel corpus: tokenises, learns and applies joint BPE, binarises.

Reads RAW/{train,valid,test[,test1...]}.{source,target} (one raw sentence a line), or
the files named by --train, --valid and --test (source and target file in turn), and
writes OUT/tok (aligned with the raw lines), OUT/bpe (unusable training pairs left
out) and OUT/bin, which fairseq trains on. Run it again after an interruption: what
is finished is reused.
"""

import argparse
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.binarise import make_bin
from data_prep.lib.describing import describe_folder
from data_prep.lib.names import check_dictionary, check_languages, check_path
from data_prep.lib.own_files import gather
from data_prep.lib.plan import CODES, CorpusPlan, copy_raw, raw_files
from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, tell
from data_prep.lib.subwords import make_bpe
from data_prep.lib.text import (
    load_bpe,
    load_sentencepiece,
    map_lines,
    normalize,
    read_pairs,
    tokenize,
    write_lines,
)

FILES = ("train", "valid", "test")


def prepare(plan: CorpusPlan, dry_run: bool = False) -> None:
    """Runs every step that has no valid stamp yet.

    Args:
        plan: what, and how.
        dry_run: only say which steps those are.

    Raises:
        UserError: if the corpus or the options cannot be used as they are.
    """
    if not dry_run or plan.raw != plan.out / "raw":  # which may be yet to be made
        check(plan)
    langs = {"langs": list(plan.langs)}
    with Workspace(plan.out, dry_run=dry_run) as work:
        if plan.raw.resolve() != (plan.out / "raw").resolve():
            work.step("raw", raw_files(plan), {}, partial(copy_raw, plan))
        raw = plan.files(plan.out / "raw")
        options = {**langs, **unusual(plan, "bpe", "plain_quotes")}
        work.step("tok", raw, options, partial(make_tok, plan))

        inputs = plan.files(plan.out / "tok")
        if plan.bpe_codes is not None:
            inputs[plan.codes_name] = plan.bpe_codes
        operations = None if plan.bpe_codes else plan.bpe_operations
        options = {**langs, "operations": operations, "max_length": plan.max_length}
        options |= unusual(plan, "bpe", "max_ratio", "drop_tested")
        work.step("bpe", inputs, options, partial(make_bpe, plan))

        inputs = plan.files(plan.out / "bpe")
        inputs[plan.codes_name] = plan.out / "bpe" / plan.codes_name
        if plan.joined_dict is not None:
            inputs["dict.txt"] = plan.joined_dict
        work.step("bin", inputs, langs, partial(make_bin, plan))
    if not dry_run:
        tell(f"ready: {plan.out / 'bin'}")


def unusual(plan: CorpusPlan, *names: str) -> dict[str, Any]:
    """Returns the options that are not as usual; a stamp need not name the others."""
    usual = CorpusPlan(plan.raw, plan.out, *plan.langs)
    return {
        name: getattr(plan, name)
        for name in names
        if getattr(plan, name) != getattr(usual, name)
    }


def check(plan: CorpusPlan) -> None:
    """Refuses missing files, senseless numbers and names before any work is done."""
    check_languages(*plan.langs)
    check_path(plan.out, "--out")
    for name in ("bpe_operations", "max_length", "workers"):
        if getattr(plan, name) < 1:
            option = "--" + name.replace("_", "-")
            raise UserError(
                f"{option} must be at least 1, but is {getattr(plan, name)} instead."
            )
    if plan.max_ratio is not None and plan.max_ratio < 1:
        raise UserError(
            f"--max-ratio must be at least 1, but is {plan.max_ratio} instead."
        )
    for path in plan.files(plan.raw).values():
        if not path.is_file():
            raise UserError(f"The file {path} is missing.")
    for given, what in (
        (plan.bpe_codes, "of BPE codes"),
        (plan.joined_dict, "of the joint dictionary"),
    ):
        if given is not None and not given.is_file():
            raise UserError(f"The file {what}, {given}, is missing.")
    if plan.joined_dict is not None:
        check_path(plan.joined_dict, "--joined-dict")
        check_dictionary(plan.joined_dict)
    if plan.bpe_codes is not None:
        load = load_bpe if plan.bpe == "subword_nmt" else load_sentencepiece
        load(plan.bpe_codes)


def make_tok(plan: CorpusPlan, folder: Path) -> None:
    """Tokenises every file, after checking that the sides fit together."""
    for split in plan.splits():
        sides = [plan.out / "raw" / f"{split}.{lang}" for lang in plan.langs]
        pairs = sum(1 for _ in read_pairs(*sides))
        if pairs == 0:
            raise UserError(f"The file {sides[0]} is empty.")
        for path, lang in zip(sides, plan.langs, strict=True):
            make_words = tokenize if plan.tokenizer == "moses" else normalize
            plain = plan.has_plain_quotes(lang)
            function = partial(make_words, lang=lang, plain_quotes=plain)
            write_lines(folder / path.name, map_lines(function, path, plan.workers))
        tell(f"tok: {split}, {pairs} pairs")


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--raw", type=Path, help="folder of raw text files")
    for name in FILES:
        add(
            f"--{name}",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="instead: source file, target file, and so on",
        )
    add("--out", type=Path, help="folder of the prepared corpus")
    add(
        "--describe",
        type=Path,
        metavar="BIN",
        help="instead: write the text.json of a folder made by fairseq-preprocess "
        "(with --bpe, and --bpe-codes to put the codes there)",
    )
    add("--source-lang", required=True)
    add("--target-lang", required=True)
    add("--bpe", choices=CODES, default="subword_nmt", help="kind of subwords")
    add(
        "--bpe-operations",
        type=int,
        default=32_000,
        help="number of BPE merges, or size of the SentencePiece vocabulary",
    )
    add("--bpe-codes", type=Path, help="use these codes instead of learning some")
    add("--joined-dict", type=Path, help="use this dictionary for both sides")
    add("--max-length", type=int, default=250, help="most subwords in a sentence")
    add(
        "--max-ratio",
        type=float,
        help="drop training pairs with a side so many times as long as the other, in "
        "subwords (with --train: 1.5; inf for no limit)",
    )
    add(
        "--drop-tested",
        action=argparse.BooleanOptionalAction,
        help="drop training pairs with a sentence of a validation or test set (with "
        "--train: yes)",
    )
    add(
        "--plain-quotes",
        action="store_true",
        help="make quotation marks straight in targets too, as it is done in sources",
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    add("--workers", type=int, default=cores, help="processes (default: cores)")
    add("--dry-run", action="store_true", help="say which steps there are to do")
    return parser


def read_plan(args: argparse.Namespace) -> tuple[CorpusPlan, dict[str, list[Path]]]:
    """Turns the command line into a plan and a user's own files, if any.

    Raises:
        UserError: if it names both a folder and files, or neither.
    """
    options = vars(args)
    files = {name: options.pop(name) or [] for name in FILES}
    own = any(files.values())
    if args.out is None:
        raise UserError("--out must be given, but is missing.")
    if own == (args.raw is not None):
        raise UserError("Either --raw or --train, --valid and --test must be given.")
    if own:
        options["raw"] = args.out / "raw"
        if args.max_ratio is None:
            options["max_ratio"] = 1.5
    if args.drop_tested is None:
        options["drop_tested"] = own
    if options["max_ratio"] == math.inf:
        options["max_ratio"] = None
    return CorpusPlan(**options), files if own else {}


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    with errors_as_sentences():
        args = build_parser().parse_args(argv)
        dry_run, described = (vars(args).pop(name) for name in ("dry_run", "describe"))
        if described is not None:
            langs = args.source_lang, args.target_lang
            describe_folder(described, langs, args.bpe, args.bpe_codes)
            return
        plan, files = read_plan(args)
        if files:
            gather(plan, files, dry_run)
        prepare(plan, dry_run)


if __name__ == "__main__":
    main()
