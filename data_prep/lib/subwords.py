"""Owns the subwords of a corpus: learned on both sides, applied, unusable pairs out."""

import contextlib
import io
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from sentencepiece import SentencePieceTrainer
from subword_nmt.learn_bpe import learn_bpe

from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError, tell
from data_prep.lib.text import (
    map_lines,
    read_lines,
    read_pairs,
    split_words,
    undo_bpe,
    write_lines,
)

LEARN_FROM = 2_000_000  # sentences, for SentencePiece, which keeps them in memory


def make_bpe(plan: CorpusPlan, folder: Path) -> None:
    """Learns the codes if none were given, and splits every file into subwords."""
    codes = folder / plan.codes_name
    if plan.bpe_codes is not None:
        shutil.copyfile(plan.bpe_codes, codes)
    elif plan.bpe == "sentencepiece":
        learn_sentencepiece(plan, codes)
    else:
        learn_codes(plan, codes)
    for split in plan.splits():
        write_subwords(plan, split, codes, folder)


def learn_codes(plan: CorpusPlan, codes: Path) -> None:
    """Learns one set of BPE merges on both sides of the training text."""
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


def learn_sentencepiece(plan: CorpusPlan, model: Path) -> None:
    """Learns one SentencePiece model on both sides of the training text."""
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


def write_subwords(plan: CorpusPlan, split: str, codes: Path, folder: Path) -> None:
    """Writes both sides of one split, without the pairs that cannot be used."""
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
    plan: CorpusPlan, split: str, pairs: Iterator[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Drops empty and overlong pairs in training; refuses them anywhere else."""
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
        tell(f"bpe: {split}, dropped {len(numbers)} {reason} pairs (lines {where})")
    if kept == 0:
        raise UserError(f"No usable pair is left in {plan.out / 'raw' / split}.")
    tell(f"bpe: {split}, {kept} pairs")


def find_problem(
    plan: CorpusPlan, pair: tuple[str, str]
) -> tuple[str, str, str] | None:
    """Returns (reason, language, details) if a pair of subword lines is unusable."""
    for lang, line in zip(plan.langs, pair, strict=True):
        length = len(line.split())
        if length == 0:
            return "empty", lang, ""
        if length > plan.max_length:
            limit = f" ({length} subwords; --max-length is {plan.max_length})"
            return "too long", lang, limit
    return None


def find_training_problem(
    plan: CorpusPlan, pair: tuple[str, str], tested: set[str]
) -> tuple[str, str, str] | None:
    """Returns the same for what is a problem in training only."""
    lengths = [len(line.split()) for line in pair]
    if plan.max_ratio is not None and max(lengths) > plan.max_ratio * min(lengths):
        return "too different in length", plan.source_lang, ""
    for lang, line in zip(plan.langs, pair, strict=True):
        if tested and f"{lang} {undo_bpe(line)}" in tested:
            return "tested", lang, ""
    return None


def read_tested(plan: CorpusPlan) -> set[str]:
    """Returns the sentences of validation and test sets that training must not have."""
    if not plan.drop_tested:
        return set()
    return {
        f"{lang} {line}"
        for split in plan.splits()[1:]
        for lang in plan.langs
        for line in read_lines(plan.out / "tok" / f"{split}.{lang}")
    }
