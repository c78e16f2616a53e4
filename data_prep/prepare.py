"""Prepare a parallel corpus: tokenise, learn and apply joint BPE, binarise.

Reads RAW/{train,valid,test[,test1...]}.{source,target} (one raw sentence a line) and
writes OUT/tok (aligned with the raw lines), OUT/bpe (unusable training pairs left
out) and OUT/bin, which fairseq trains on. Run it again after an interruption: what
is finished is reused.
"""

import argparse
import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent))

from steps import PrepError, Workspace, errors_as_sentences, report
from subword_nmt.learn_bpe import learn_bpe
from text import (
    apply_bpe,
    load_bpe,
    map_lines,
    read_lines,
    read_pairs,
    tokenize,
    write_lines,
)


@dataclass(frozen=True)
class Plan:
    """What to prepare, and how; every step reads it and none changes it."""

    raw: Path
    out: Path
    source_lang: str
    target_lang: str
    bpe_operations: int = 32_000
    bpe_codes: Path | None = None
    joined_dict: Path | None = None
    max_length: int = 250
    workers: int = 1

    @property
    def langs(self) -> tuple[str, str]:
        """Source language, target language."""
        return self.source_lang, self.target_lang

    def splits(self) -> list[str]:
        """Return train, valid, test and the numbered further test sets."""
        names = ["train", "valid", "test"]
        while (self.raw / f"test{len(names) - 2}.{self.source_lang}").exists():
            names.append(f"test{len(names) - 2}")
        return names

    def files(self, folder: Path) -> dict[str, Path]:
        """Return the text files of a folder by name, as a step's inputs."""
        names = [f"{split}.{lang}" for split in self.splits() for lang in self.langs]
        return {name: folder / name for name in names}


def prepare(plan: Plan) -> None:
    """Run every step that has no valid stamp yet.

    Raises:
        PrepError: If the corpus or the options cannot be used as they are.
    """
    check(plan)
    langs = {"langs": list(plan.langs)}
    with Workspace(plan.out) as work:
        if plan.raw.resolve() != (plan.out / "raw").resolve():
            work.step("raw", raw_files(plan), {}, partial(copy_raw, plan))
        raw = plan.files(plan.out / "raw")
        work.step("tok", raw, langs, partial(make_tok, plan))

        inputs = plan.files(plan.out / "tok")
        if plan.bpe_codes is not None:
            inputs["bpe.codes"] = plan.bpe_codes
        operations = None if plan.bpe_codes else plan.bpe_operations
        options = {**langs, "operations": operations, "max_length": plan.max_length}
        work.step("bpe", inputs, options, partial(make_bpe, plan))

        inputs = plan.files(plan.out / "bpe")
        inputs["bpe.codes"] = plan.out / "bpe" / "bpe.codes"
        if plan.joined_dict is not None:
            inputs["dict.txt"] = plan.joined_dict
        work.step("bin", inputs, langs, partial(make_bin, plan))
    report(f"ready: {plan.out / 'bin'}")


def check(plan: Plan) -> None:
    """Refuse missing files and senseless numbers before any work is done."""
    for name in ("bpe_operations", "max_length", "workers"):
        if getattr(plan, name) < 1:
            option = "--" + name.replace("_", "-")
            raise PrepError(
                f"{option} must be at least 1, but is {getattr(plan, name)} instead."
            )
    for path in plan.files(plan.raw).values():
        if not path.is_file():
            raise PrepError(f"The file {path} is missing.")
    for path, what in (
        (plan.bpe_codes, "of BPE codes"),
        (plan.joined_dict, "of the joint dictionary"),
    ):
        if path is not None and not path.is_file():
            raise PrepError(f"The file {what}, {path}, is missing.")
    if plan.bpe_codes is not None:
        load_bpe(plan.bpe_codes)


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
            raise PrepError(f"The file {sides[0]} is empty.")
        for path, lang in zip(sides, plan.langs, strict=True):
            function = partial(tokenize, lang=lang)
            write_lines(folder / path.name, map_lines(function, path, plan.workers))
        report(f"tok: {split}, {pairs} pairs")


def make_bpe(plan: Plan, folder: Path) -> None:
    """Learn the codes if none were given, and split every file into subwords."""
    codes = folder / "bpe.codes"
    if plan.bpe_codes is not None:
        shutil.copyfile(plan.bpe_codes, codes)
    else:
        learn_codes(plan, codes)
    for split in plan.splits():
        write_subwords(plan, split, codes, folder)


def learn_codes(plan: Plan, codes: Path) -> None:
    """Learn one set of BPE merges on both sides of the training text."""
    sides = [plan.out / "tok" / f"train.{lang}" for lang in plan.langs]
    text = list(chain.from_iterable(map(read_lines, sides)))
    if not any(len(word) > 1 for line in text for word in line.split()):
        raise PrepError(f"BPE cannot be learned: {sides[0]} holds no words.")
    # subword-nmt always draws its progress bar, which is noise in a log file.
    quiet = contextlib.redirect_stderr(io.StringIO())
    with (
        open(codes, "w", encoding="utf-8", newline="\n") as file,
        contextlib.nullcontext() if sys.stderr.isatty() else quiet,
    ):
        learn_bpe(text, file, plan.bpe_operations)


def write_subwords(plan: Plan, split: str, codes: Path, folder: Path) -> None:
    """Write both sides of one split, without the pairs that cannot be used."""
    whole = [folder / f".{split}.{lang}" for lang in plan.langs]
    for path, lang in zip(whole, plan.langs, strict=True):
        words = plan.out / "tok" / f"{split}.{lang}"
        function = partial(apply_bpe, codes=codes)
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
    kept = 0
    for number, pair in enumerate(pairs, start=1):
        problem = find_problem(plan, pair)
        if problem is None:
            kept += 1
            yield pair
        elif split == "train":
            dropped.setdefault(problem[0], []).append(number)
        else:
            reason, lang, detail = problem
            path = plan.out / "raw" / f"{split}.{lang}"
            raise PrepError(f"{path}, line {number}: the sentence is {reason}{detail}.")
    for reason, numbers in dropped.items():
        where = ", ".join(map(str, numbers[:5])) + (", ..." if numbers[5:] else "")
        report(f"bpe: {split}, dropped {len(numbers)} {reason} pairs (lines {where})")
    if kept == 0:
        raise PrepError(f"No usable pair is left in {plan.out / 'raw' / split}.")
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


def make_bin(plan: Plan, folder: Path) -> None:
    """Binarise with one dictionary for both sides, and add what text needs."""
    run_fairseq_preprocess(plan, folder)
    # The log holds times and paths, which would differ from run to run.
    (folder / "preprocess.log").unlink(missing_ok=True)
    shutil.copyfile(plan.out / "bpe" / "bpe.codes", folder / "bpe.codes")
    recipe = {
        "source_lang": plan.source_lang,
        "target_lang": plan.target_lang,
        "tokenizer": "moses",
        "bpe": "subword_nmt",
    }
    text = json.dumps(recipe, indent=2) + "\n"
    (folder / "text.json").write_text(text, encoding="utf-8")


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
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise_from_log("fairseq-preprocess", result.stderr)
    report(f"bin: {len(prefixes)} splits binarised")


def raise_from_log(command: str, log: str) -> NoReturn:
    """Raise the error that a failed command left at the end of its log."""
    last = (log.strip() or "no message").splitlines()[-1].rstrip(".")
    if f"[Errno {errno.ENOSPC}]" in last:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise PrepError(f"{command} failed: {last}.")


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--raw", type=Path, required=True, help="folder of raw text files")
    add("--out", type=Path, required=True, help="folder of the prepared corpus")
    add("--source-lang", required=True)
    add("--target-lang", required=True)
    add("--bpe-operations", type=int, default=32_000, help="number of BPE merges")
    add("--bpe-codes", type=Path, help="use these codes instead of learning some")
    add("--joined-dict", type=Path, help="use this dictionary for both sides")
    add("--max-length", type=int, default=250, help="most subwords in a sentence")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    add("--workers", type=int, default=cores, help="processes (default: cores)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    with errors_as_sentences():
        prepare(Plan(**vars(build_parser().parse_args(argv))))


if __name__ == "__main__":
    main()
