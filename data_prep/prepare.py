"""Prepare a parallel corpus: tokenise, learn and apply joint BPE, binarise.

Reads RAW/{train,valid,test[,test1...]}.{source,target} (one raw sentence a line), or
the files named by --train, --valid and --test (source and target file in turn), and
writes OUT/tok (aligned with the raw lines), OUT/bpe (unusable training pairs left
out) and OUT/bin, which fairseq trains on. Run it again after an interruption: what
is finished is reused.
"""

import argparse
import contextlib
import errno
import io
import math
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from sentencepiece import SentencePieceTrainer
from subword_nmt.learn_bpe import learn_bpe

from data_prep.lib.describing import (
    describe_folder,
    describe_text,
    write_text_file,
)
from data_prep.lib.names import check_dictionary, check_languages, check_path
from data_prep.lib.plan import CODES, Plan
from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, report
from data_prep.lib.text import (
    load_bpe,
    load_sentencepiece,
    map_lines,
    normalize,
    read_lines,
    read_pairs,
    split_words,
    tokenize,
    undo_bpe,
    write_lines,
)
from vq_nat.processes import run_group

FILES = ("train", "valid", "test")
ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)\b")
TEXT: dict[str, Any] = {"encoding": "utf-8", "newline": "\n"}
LEARN_FROM = 2_000_000  # sentences, for SentencePiece, which keeps them in memory


def prepare(plan: Plan, dry_run: bool = False) -> None:
    """Run every step that has no valid stamp yet.

    Args:
        plan: What, and how.
        dry_run: Only say which steps those are.

    Raises:
        UserError: If the corpus or the options cannot be used as they are.
    """
    if not dry_run or plan.raw != plan.out / "raw":  # which may be yet to be made
        check(plan)
    langs = {"langs": list(plan.langs)}
    with Workspace(plan.out, dry_run=dry_run) as work:
        if plan.raw.resolve() != (plan.out / "raw").resolve():
            work.step("raw", raw_files(plan), {}, partial(copy_raw, plan))
        raw = plan.files(plan.out / "raw")
        options = {**langs, **unusual(plan, "bpe")}
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
        report(f"ready: {plan.out / 'bin'}")


def unusual(plan: Plan, *names: str) -> dict[str, Any]:
    """Return the options that are not as usual; a stamp need not name the others."""
    usual = Plan(plan.raw, plan.out, *plan.langs)
    return {
        name: getattr(plan, name)
        for name in names
        if getattr(plan, name) != getattr(usual, name)
    }


def check(plan: Plan) -> None:
    """Refuse missing files, senseless numbers and names before any work is done."""
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


def raw_files(plan: Plan) -> dict[str, Path]:
    """Return the raw text by name, with the lists of correct renderings if any."""
    lists = {path.name: path for path in sorted(plan.raw.glob("*.refs.json"))}
    return {**plan.files(plan.raw), **lists}


def copy_raw(plan: Plan, folder: Path) -> None:
    """Keep the raw text beside what is made of it: results are scored against it."""
    for name, path in raw_files(plan).items():
        shutil.copyfile(path, folder / name)


def make_tok(plan: Plan, folder: Path) -> None:
    """Tokenise every file, after checking that the sides fit together."""
    for split in plan.splits():
        sides = [plan.out / "raw" / f"{split}.{lang}" for lang in plan.langs]
        pairs = sum(1 for _ in read_pairs(*sides))
        if pairs == 0:
            raise UserError(f"The file {sides[0]} is empty.")
        for path, lang in zip(sides, plan.langs, strict=True):
            make_words = tokenize if plan.tokenizer == "moses" else normalize
            function = partial(make_words, lang=lang)
            write_lines(folder / path.name, map_lines(function, path, plan.workers))
        report(f"tok: {split}, {pairs} pairs")


def make_bpe(plan: Plan, folder: Path) -> None:
    """Learn the codes if none were given, and split every file into subwords."""
    codes = folder / plan.codes_name
    if plan.bpe_codes is not None:
        shutil.copyfile(plan.bpe_codes, codes)
    elif plan.bpe == "sentencepiece":
        learn_sentencepiece(plan, codes)
    else:
        learn_codes(plan, codes)
    for split in plan.splits():
        write_subwords(plan, split, codes, folder)


def learn_codes(plan: Plan, codes: Path) -> None:
    """Learn one set of BPE merges on both sides of the training text."""
    sides = [plan.out / "tok" / f"train.{lang}" for lang in plan.langs]
    # Counted here, a line at a time: the text need not fit in memory.
    words = Counter[str]()
    for line in chain.from_iterable(map(read_lines, sides)):
        words.update(filter(None, line.split(" ")))
    if not any(len(word) > 1 for word in words):
        raise UserError(f"BPE cannot be learned: {sides[0]} holds no words.")
    # subword-nmt always draws its progress bar, which is noise in a log file.
    quiet = contextlib.redirect_stderr(io.StringIO())
    counts = (f"{word} {count}" for word, count in words.items())
    with (
        open(codes, "w", encoding="utf-8", newline="\n") as file,
        contextlib.nullcontext() if sys.stderr.isatty() else quiet,
    ):
        learn_bpe(counts, file, plan.bpe_operations, is_dict=True)


def learn_sentencepiece(plan: Plan, model: Path) -> None:
    """Learn one SentencePiece model on both sides of the training text."""
    sides = [plan.out / "tok" / f"train.{lang}" for lang in plan.langs]
    try:
        with open(model, "wb") as file:
            SentencePieceTrainer.train(
                sentence_iterator=chain.from_iterable(map(read_lines, sides)),
                model_writer=file,
                model_type="bpe",
                vocab_size=plan.bpe_operations,
                hard_vocab_limit=False,
                character_coverage=1.0,
                input_sentence_size=LEARN_FROM,
                num_threads=1,  # the result must not depend on the machine
                minloglevel=2,
            )
    except RuntimeError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"SentencePiece cannot learn from {sides[0]}: {reason}."
        ) from None


def write_subwords(plan: Plan, split: str, codes: Path, folder: Path) -> None:
    """Write both sides of one split, without the pairs that cannot be used."""
    whole = [folder / f".{split}.{lang}" for lang in plan.langs]
    for path, lang in zip(whole, plan.langs, strict=True):
        words = plan.out / "tok" / f"{split}.{lang}"
        function = partial(split_words, codes=codes)
        write_lines(path, map_lines(function, words, plan.workers))
    sides = [folder / f"{split}.{lang}" for lang in plan.langs]
    with (
        open(sides[0], "w", encoding="utf-8", newline="\n") as source,
        open(sides[1], "w", encoding="utf-8", newline="\n") as target,
    ):
        for pair in usable_pairs(plan, split, read_pairs(*whole)):
            source.write(pair[0] + "\n")
            target.write(pair[1] + "\n")
    for path in whole:
        path.unlink()


def usable_pairs(
    plan: Plan, split: str, pairs: Iterator[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Drop empty and overlong pairs in training; refuse them anywhere else."""
    dropped: dict[str, list[int]] = {}
    tested = read_tested(plan) if split == "train" else set()
    kept = 0
    for number, pair in enumerate(pairs, start=1):
        problem = find_problem(plan, pair)
        if split == "train" and problem is None:
            problem = find_training_problem(plan, pair, tested)
        if problem is None:
            kept += 1
            yield pair
        elif split == "train":
            dropped.setdefault(problem[0], []).append(number)
        else:
            reason, lang, detail = problem
            path = plan.out / "raw" / f"{split}.{lang}"
            raise UserError(f"{path}, line {number}: the sentence is {reason}{detail}.")
    for reason, numbers in dropped.items():
        where = ", ".join(map(str, numbers[:5])) + (", ..." if numbers[5:] else "")
        report(f"bpe: {split}, dropped {len(numbers)} {reason} pairs (lines {where})")
    if kept == 0:
        raise UserError(f"No usable pair is left in {plan.out / 'raw' / split}.")
    report(f"bpe: {split}, {kept} pairs")


def find_problem(plan: Plan, pair: tuple[str, str]) -> tuple[str, str, str] | None:
    """Return (reason, language, details) if a pair of subword lines is unusable."""
    for lang, line in zip(plan.langs, pair, strict=True):
        length = len(line.split())
        if length == 0:
            return "empty", lang, ""
        if length > plan.max_length:
            limit = f" ({length} subwords; --max-length is {plan.max_length})"
            return "too long", lang, limit
    return None


def find_training_problem(
    plan: Plan, pair: tuple[str, str], tested: set[str]
) -> tuple[str, str, str] | None:
    """Return the same for what is a problem in training only."""
    lengths = [len(line.split()) for line in pair]
    if plan.max_ratio is not None and max(lengths) > plan.max_ratio * min(lengths):
        return "too different in length", plan.source_lang, ""
    for lang, line in zip(plan.langs, pair, strict=True):
        if tested and f"{lang} {undo_bpe(line)}" in tested:
            return "tested", lang, ""
    return None


def read_tested(plan: Plan) -> set[str]:
    """Return the sentences of validation and test sets that training must not have."""
    if not plan.drop_tested:
        return set()
    return {
        f"{lang} {line}"
        for split in plan.splits()[1:]
        for lang in plan.langs
        for line in read_lines(plan.out / "tok" / f"{split}.{lang}")
    }


def make_bin(plan: Plan, folder: Path) -> None:
    """Binarise with one dictionary for both sides, and add what text needs."""
    run_fairseq_preprocess(plan, folder)
    # The log holds times and paths, which would differ from run to run.
    (folder / "preprocess.log").unlink(missing_ok=True)
    shutil.copyfile(plan.out / "bpe" / plan.codes_name, folder / plan.codes_name)
    recipe = describe_text(*plan.langs, plan.tokenizer, plan.bpe)
    write_text_file(folder, recipe)


def run_fairseq_preprocess(plan: Plan, folder: Path) -> None:
    """Call fairseq's own command on OUT/bpe."""
    prefixes = {split: str(plan.out / "bpe" / split) for split in plan.splits()}
    tests = [prefixes[split] for split in prefixes if split.startswith("test")]
    command = [sys.executable, "-m", "fairseq_cli.preprocess", "--joined-dictionary"]
    command += ["--source-lang", plan.source_lang, "--target-lang", plan.target_lang]
    command += ["--trainpref", prefixes["train"], "--validpref", prefixes["valid"]]
    command += ["--testpref", ",".join(tests), "--destdir", str(folder)]
    command += ["--workers", str(plan.workers)]
    if plan.joined_dict is not None:
        command += ["--srcdict", str(plan.joined_dict)]
    result = run_group(command)
    if result.returncode != 0:
        raise_from_log("fairseq-preprocess", result.stderr)
    report(f"bin: {len(prefixes)} splits binarised")


def raise_from_log(command: str, log: str) -> NoReturn:
    """Raise the error that a failed command left at the end of its log."""
    reason = last_error(log)
    if f"[Errno {errno.ENOSPC}]" in reason:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise UserError(f"{command} failed: {reason}.")


def last_error(log: str) -> str:
    """Return the last error of a log, which may have several lines, in one."""
    lines = log.strip().splitlines() or ["no message"]
    begins = [n for n, line in enumerate(lines) if ERROR.match(line)]
    return " ".join(" ".join(lines[begins[-1] if begins else -1 :]).split()).rstrip(".")


# ------------------------------------------------------------------- a user's own files


def gather(plan: Plan, files: dict[str, list[Path]], dry_run: bool = False) -> None:
    """Join a user's own files to RAW/{train,valid,test...}.

    Args:
        plan: Where.
        files: Of train, valid and test.
        dry_run: Only say whether that is to be done.

    Raises:
        UserError: If a file is missing, not UTF-8, or not as long as its other side.
    """
    splits = name_splits(files)
    inputs = {
        f"{split}.{number}.{side}": path
        for split, pairs in splits.items()
        for number, pair in enumerate(pairs)
        for side, path in zip(plan.langs, pair, strict=True)
    }
    for path in inputs.values():
        if not path.is_file():
            raise UserError(f"The file {path} is missing.")
    with Workspace(plan.out, dry_run=dry_run) as work:
        make = partial(join_files, plan, splits)
        work.step("raw", inputs, {"langs": list(plan.langs)}, make)


def name_splits(files: dict[str, list[Path]]) -> dict[str, list[tuple[Path, Path]]]:
    """Return the pairs of files of train, valid, test, test1, ...

    Raises:
        UserError: If there are none, or there is an odd number.
    """
    splits: dict[str, list[tuple[Path, Path]]] = {}
    for name, paths in files.items():
        if not paths or len(paths) % 2:
            raise UserError(
                f"--{name} must be followed by pairs of files, source and target in "
                f"turn, but is followed by {len(paths)} files instead."
            )
        pairs = list(zip(paths[::2], paths[1::2], strict=True))
        if name == "test":
            for number, pair in enumerate(pairs):
                splits[f"test{number or ''}"] = [pair]
        else:
            splits[name] = pairs
    return splits


def join_files(
    plan: Plan, splits: dict[str, list[tuple[Path, Path]]], folder: Path
) -> None:
    """Write both sides of each set, pair of files after pair of files."""
    for split, files in splits.items():
        with (
            open(folder / f"{split}.{plan.source_lang}", "w", **TEXT) as source,
            open(folder / f"{split}.{plan.target_lang}", "w", **TEXT) as target,
        ):
            for pair in files:
                for first, second in read_pairs(*pair):
                    source.write(first + "\n")
                    target.write(second + "\n")


# -------------------------------------------------------------------------------- main


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this script."""
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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    add("--workers", type=int, default=cores, help="processes (default: cores)")
    add("--dry-run", action="store_true", help="say which steps there are to do")
    return parser


def read_plan(args: argparse.Namespace) -> tuple[Plan, dict[str, list[Path]]]:
    """Turn the command line into a plan and a user's own files, if any.

    Raises:
        UserError: If it names both a folder and files, or neither.
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
    return Plan(**options), files if own else {}


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
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
