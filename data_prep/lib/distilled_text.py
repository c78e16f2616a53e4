"""Owns the text of a distilled corpus: pairs from the teacher's output, filtered."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from data_prep.lib.distillation import Distillation, codes_of
from data_prep.lib.filters import Pair, find_fault
from data_prep.lib.mono import digest
from data_prep.lib.plan import CorpusPlan, copy_raw
from data_prep.lib.steps import UserError, tell
from data_prep.lib.text import plain_text, read_lines, undo_bpe, write_lines

EXAMPLES = 5  # line numbers in a message


def make_bpe(task: Distillation, folder: Path) -> None:
    """Pairs the sources with the teacher's output; the rest is as it was.

    TRAIN.origin says of each training pair where it comes from.
    """
    data, counts = task.data, Counter[str]()
    for path in (*data.files(data.out / "bpe").values(), codes_of(data)):
        if not path.name.startswith("train."):
            shutil.copyfile(path, folder / path.name)
    lines: dict[str, list[int]] = {}
    names = [*(f"train.{lang}" for lang in data.langs), "train.origin"]
    with ExitStack() as stack:
        files = [
            stack.enter_context(open(folder / n, "w", encoding="utf-8", newline="\n"))
            for n in names
        ]
        for pair in all_pairs(task, counts):
            fault = find_fault(pair, task.limits)
            if fault is None:
                counts[f"kept {pair.part}"] += 1
                origin = f"{pair.part}\t{pair.line}\t{pair.rank}"
                for file, line in zip(files, (*pair[:2], origin), strict=True):
                    file.write(line + "\n")
            else:
                counts[f"dropped {fault}"] += 1
                lines.setdefault(fault, []).append(pair.line)
                del lines[fault][EXAMPLES + 1 :]
    report_counts(counts, lines)
    if not any(counts[name] for name in counts if name.startswith("kept")):
        raise UserError(f"No usable pair is left in {task.out / 'teacher'}.")
    rows = (f"{name}\t{count}" for name, count in sorted(counts.items()))
    write_lines(folder / "counts.tsv", rows)


def report_counts(counts: Counter[str], lines: dict[str, list[int]]) -> None:
    """Tells what was dropped, and how much is left."""
    for fault, numbers in lines.items():
        where = ", ".join(map(str, numbers[:EXAMPLES]))
        where += ", ..." if numbers[EXAMPLES:] else ""
        count = counts[f"dropped {fault}"]
        tell(f"bpe: train, dropped {count} {fault} pairs (lines {where})")
    kept = sum(count for name, count in counts.items() if name.startswith("kept"))
    tell(f"bpe: train, {kept} pairs")


def all_pairs(task: Distillation, counts: Counter[str]) -> Iterator[Pair]:
    """Yields the teacher's pairs, those of extra text, and the share of human pairs."""
    for part, path in task.sources().items():
        written = read_lines(task.out / "teacher" / f"{part}.jsonl")
        rows = enumerate(zip(read_lines(path), written, strict=True), start=1)
        for number, (source, row) in rows:
            counts[f"sources {part}"] += 1
            for rank, (score, target) in enumerate(json.loads(row)):
                yield Pair(source, target, part, number, rank, score)
    if task.human_share:
        sides = [task.data.out / "bpe" / f"train.{lang}" for lang in task.data.langs]
        rows = enumerate(zip(*map(read_lines, sides), strict=True), start=1)
        for number, (source, target) in rows:
            if is_drawn(number, seed=task.decoding.seed, share=task.human_share):
                yield Pair(source, target, "human", number)


def is_drawn(number: int, *, seed: int, share: float) -> bool:
    """Tells whether a line belongs to the share that is drawn."""
    return int.from_bytes(digest(f"{seed} {number}")) < share * 2**64


def make_tok(subwords: dict[str, Path], folder: Path) -> None:
    """Writes the words again, for reading and for other tools."""
    for name, path in subwords.items():
        write_lines(folder / name, map(undo_bpe, read_lines(path)))


def make_raw(data: CorpusPlan, distilled: CorpusPlan, folder: Path) -> None:
    """Keeps the raw validation and test text; detokenise the training text to read."""
    copy_raw(data, folder)
    for lang in data.langs:
        words = read_lines(distilled.out / "tok" / f"train.{lang}")
        text = (plain_text(line, lang, data) for line in words)
        write_lines(folder / f"train.{lang}", text)
