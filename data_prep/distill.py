"""Replace the targets of the training set by a teacher's translations.

The model then learns one consistent way to translate instead of many (Kim & Rush,
arXiv 1606.07947). Validation and test sets, BPE codes and dictionaries stay the same,
and the teacher's output is used in subwords as it comes: nothing is tokenised twice.

On one machine all is done by one command. On a cluster, the same command under
torchrun or in a SLURM array (or with --shards N --shard I) decodes a share each, and
then once with --merge makes the corpus. Any run continues where another one stopped.
"""

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib import pool, teachers
from data_prep.lib.evaluate import evaluate, translate
from data_prep.lib.filters import Limits, Pair, find_fault
from data_prep.lib.manifest import read_counts, write_manifest
from data_prep.lib.mono import digest, prepare_mono
from data_prep.lib.plan import Plan
from data_prep.lib.shards import Shard, Store, cut, find_shard
from data_prep.lib.steps import (
    UserError,
    Workspace,
    errors_as_sentences,
    report,
    sha256,
)
from data_prep.lib.teachers import Decoding
from data_prep.lib.text import plain_text, read_lines, undo_bpe, write_lines
from data_prep.prepare import copy_raw, make_bin, raw_files

RECIPE_VERSION = 2  # raise when the same recipe gives other translations
MIN_AGREEMENT = 90.0  # BLEU; int8 weights change some words, a wrong model changes all
EXAMPLES = 5  # line numbers in a message


@dataclass(frozen=True)
class Task:
    """What to distil, and how; every step reads it and none changes it."""

    data: Plan  # the prepared corpus
    distilled: Plan  # the corpus to make, with the same languages
    teacher: Path
    decoding: Decoding
    devices: tuple[str, ...] = ("cpu",)
    mono: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    human_share: float = 0.0
    chunk_lines: int = 2_000
    agreement: int = 100  # sentences on which two back ends are compared
    evaluate: bool = False

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.distilled.out

    @property
    def dictionary(self) -> Path:
        """The joint dictionary."""
        return self.data.out / "bin" / f"dict.{self.data.target_lang}.txt"

    def sources(self) -> dict[str, Path]:
        """Return the text to translate, in subwords."""
        lang = self.data.source_lang
        files = {"train": self.data.out / "bpe" / f"train.{lang}"}
        if self.mono:
            files["mono"] = self.out / "mono" / "text" / f"mono.{lang}"
        return files

    def store(self) -> Store:
        """Return where finished chunks are kept."""
        recipe = {
            "version": RECIPE_VERSION,
            "teacher": sha256(self.teacher),
            "dictionary": sha256(self.dictionary),
            "sources": {part: sha256(path) for part, path in self.sources().items()},
            "decoding": self.decoding.describe(),
            "chunk_lines": self.chunk_lines,
        }
        return Store(self.out, recipe)


def distill(task: Task, dry_run: bool = False) -> None:
    """Run every step that has no valid stamp yet.

    Args:
        task: What, and how.
        dry_run: Only say which steps those are.

    Raises:
        UserError: If the corpus, the teacher or an option cannot be used.
    """
    check(task)
    if task.mono:
        prepare_mono(task.data, task.out, task.mono, dry_run)
    make_corpus(task, partial(decode_all, task), dry_run)


def make_corpus(task: Task, make_teacher: Any, dry_run: bool = False) -> None:
    """Make the corpus; ``make_teacher`` fills the folder of translations."""
    data, distilled, sources = task.data, task.distilled, task.sources()
    human = data.files(data.out / "bpe")
    with Workspace(task.out, dry_run=dry_run) as work:
        inputs = {"teacher": task.teacher, "dict.txt": task.dictionary, **sources}
        options = {
            "version": RECIPE_VERSION,
            "chunk_lines": task.chunk_lines,
            **task.decoding.describe(),
        }
        work.step("teacher", inputs, options, make_teacher)
        if not dry_run:
            task.store().remove()

        inputs = {**human, **sources, data.codes_name: codes_of(data)}
        for part in sources:
            inputs[f"{part}.jsonl"] = task.out / "teacher" / f"{part}.jsonl"
        options = {"limits": task.limits.describe(), "human": task.human_share}
        options["seed"] = task.decoding.seed
        work.step("bpe", inputs, options, partial(make_bpe, task))

        subwords = data.files(task.out / "bpe")
        work.step("tok", subwords, {}, partial(make_tok, subwords))
        train = {key: subwords[key] for key in subwords if key.startswith("train.")}
        inputs = {**raw_files(data), **train}  # the human training text is not used
        work.step("raw", inputs, {}, partial(make_raw, data, distilled))

        inputs = {**subwords, "dict.txt": task.dictionary}
        options = {"langs": list(data.langs)}
        work.step("bin", inputs, options, partial(make_bin, distilled))
        if task.evaluate:
            evaluate_teacher(task, work)
        if not dry_run:
            write_manifest(work, describe(task))
    if not dry_run:
        report(f"ready: {task.out / 'bin'}")


def check(task: Task) -> None:
    """Refuse what cannot work before the teacher is started."""
    for name, value in (
        ("--beam", task.decoding.beam),
        ("--max-tokens", task.decoding.max_tokens),
        ("--nbest", task.decoding.nbest),
        ("--chunk-lines", task.chunk_lines),
        ("--workers", task.data.workers),
    ):
        if value < 1:
            raise UserError(f"{name} must be at least 1, but is {value} instead.")
    if task.decoding.nbest > task.decoding.width:
        raise UserError(
            f"--nbest must be at most --beam ({task.decoding.beam}), but is "
            f"{task.decoding.nbest} instead."
        )
    if not 0 <= task.human_share <= 1:
        raise UserError(
            f"--mix-human must be from 0 to 1, but is {task.human_share} instead."
        )
    if not task.teacher.is_file():
        raise UserError(f"The teacher's checkpoint, {task.teacher}, is missing.")
    check_corpus(task.data)


def codes_of(data: Plan) -> Path:
    """Return the file that splits a corpus's words into subwords."""
    return data.out / "bpe" / data.codes_name


def check_corpus(data: Plan) -> None:
    """Refuse a corpus that is not completely prepared."""
    dictionaries = [data.out / "bin" / f"dict.{lang}.txt" for lang in data.langs]
    needed = [*dictionaries, codes_of(data)]
    for folder in ("raw", "bpe"):
        needed += data.files(data.out / folder).values()
    for path in needed:
        if not path.is_file():
            raise UserError(f"The file {path} is missing; run prepare.py first.")
    if sha256(dictionaries[0]) != sha256(dictionaries[1]):
        raise UserError(
            f"{dictionaries[0]} and {dictionaries[1]} must be one joint dictionary, "
            "but differ instead."
        )


# ------------------------------------------------------------------------- the teacher


def decode_all(task: Task, folder: Path) -> None:
    """Translate all sources on this machine and merge the chunks."""
    decode_shard(task, Shard(), folder)
    merge(task, folder)


def decode_shard(task: Task, shard: Shard, folder: Path | None = None) -> None:
    """Translate the chunks of a shard that are not finished."""
    store = task.store()
    for other, names in store.others().items():
        note = f"{store.root / other} holds translations with another "
        note += ", ".join(names)
        if folder is None:  # another process may still be adding to them
            raise UserError(f"{note}; give all shards the same, or delete that folder.")
        report(f"note: {note}; they are not used")
    store.open()
    chunks = shard.own(cut(task.sources(), task.chunk_lines))
    missing = store.missing(chunks)
    finished = sum(chunk.lines for chunk in chunks)
    finished -= sum(chunk.lines for chunk in missing)
    if finished:
        report(f"teacher: {finished} sentences are done already, going on")
    if missing:
        pool.decode(make_job(task, store, store.folder), missing, finished)


def make_job(task: Task, store: Store, folder: Path) -> pool.Job:
    """Return what the workers do; a converted teacher is put into ``folder``."""
    checkpoint, dictionaries = task.teacher, task.data.out / "bin"
    if task.decoding.backend == "ctranslate2":
        checkpoint = teachers.convert_for_ctranslate2(
            task.teacher, dictionaries, task.data.langs, folder
        )
        if task.agreement and task.decoding.temperature is None:
            check_agreement(task, checkpoint)
    return pool.Job(checkpoint, dictionaries, task.decoding, store, task.devices)


def check_agreement(task: Task, converted: Path) -> None:
    """Compare the other back end with ours on sentences from all over the corpus.

    Raises:
        UserError: If they translate differently.
    """
    from sacrebleu.metrics import BLEU

    path = task.sources()["train"]
    size = sum(1 for _ in read_lines(path))
    step = max(1, size // task.agreement)
    lines = [line for n, line in enumerate(read_lines(path)) if n % step == step // 2]
    texts = []
    for backend, checkpoint in (("fairseq", task.teacher), ("ctranslate2", converted)):
        precision = "float32" if backend == "fairseq" else task.decoding.precision
        decoding = replace(task.decoding, backend=backend, precision=precision)
        teacher = teachers.load_teacher(
            checkpoint, task.data.out / "bin", decoding, task.devices[0]
        )
        texts.append(translate(teacher, lines, decoding.max_tokens))
    same = sum(one == other for one, other in zip(*texts, strict=True))
    bleu = BLEU(tokenize="none", force=True).corpus_score(texts[1], [texts[0]]).score
    text = f"{same} of {len(lines)} sentences are the same, BLEU against each other "
    text += f"{bleu:.1f}"
    report(f"teacher: fairseq and CTranslate2: {text}")
    if bleu < MIN_AGREEMENT:
        raise UserError(
            f"Both back ends must agree (BLEU {MIN_AGREEMENT} or more against each "
            f"other), but on a sample {text}; use --backend fairseq."
        )


def merge(task: Task, folder: Path) -> None:
    """Join the chunks of all shards.

    Raises:
        UserError: If chunks are missing; the message says why, as far as known.
    """
    store, chunks = task.store(), cut(task.sources(), task.chunk_lines)
    others = store.others()
    if others and not store.folder.is_dir():
        name, names = next(iter(others.items()))
        raise UserError(
            f"{store.root / name} holds translations with another {', '.join(names)}; "
            "nothing is merged."
        )
    store.merge(chunks, folder)


# -------------------------------------------------------------------------- the corpus


def make_bpe(task: Task, folder: Path) -> None:
    """Pair the sources with the teacher's output; the rest is as it was.

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
    """Tell what was dropped, and how much is left."""
    for fault, numbers in lines.items():
        where = ", ".join(map(str, numbers[:EXAMPLES]))
        where += ", ..." if numbers[EXAMPLES:] else ""
        count = counts[f"dropped {fault}"]
        report(f"bpe: train, dropped {count} {fault} pairs (lines {where})")
    kept = sum(count for name, count in counts.items() if name.startswith("kept"))
    report(f"bpe: train, {kept} pairs")


def all_pairs(task: Task, counts: Counter[str]) -> Iterator[Pair]:
    """Yield the teacher's pairs, those of extra text, and the share of human pairs."""
    for part, path in task.sources().items():
        found = read_lines(task.out / "teacher" / f"{part}.jsonl")
        rows = enumerate(zip(read_lines(path), found, strict=True), start=1)
        for number, (source, row) in rows:
            counts[f"sources {part}"] += 1
            for rank, (score, target) in enumerate(json.loads(row)):
                yield Pair(source, target, part, number, rank, score)
    if task.human_share:
        sides = [task.data.out / "bpe" / f"train.{lang}" for lang in task.data.langs]
        rows = enumerate(zip(*map(read_lines, sides), strict=True), start=1)
        for number, (source, target) in rows:
            if is_drawn(number, task.decoding.seed, task.human_share):
                yield Pair(source, target, "human", number)


def is_drawn(number: int, seed: int, share: float) -> bool:
    """Tell whether a line belongs to the share that is drawn."""
    return int.from_bytes(digest(f"{seed} {number}")) < share * 2**64


def make_tok(subwords: dict[str, Path], folder: Path) -> None:
    """Write the words again, for reading and for other tools."""
    for name, path in subwords.items():
        write_lines(folder / name, map(undo_bpe, read_lines(path)))


def make_raw(data: Plan, distilled: Plan, folder: Path) -> None:
    """Keep the raw validation and test text; detokenise the training text to read."""
    copy_raw(data, folder)
    for lang in data.langs:
        words = read_lines(distilled.out / "tok" / f"train.{lang}")
        text = (plain_text(line, lang, data.tokenizer) for line in words)
        write_lines(folder / f"train.{lang}", text)


# ------------------------------------------------------------------------ the manifest


def evaluate_teacher(task: Task, work: Workspace) -> None:
    """Score the teacher on validation and test sets, with its beam and greedily."""
    splits = [split for split in task.data.splits() if split != "train"]
    inputs = {"teacher": task.teacher, "dict.txt": task.dictionary}
    for name, path in raw_files(task.data).items():
        if not name.startswith("train."):
            inputs[name] = path
    for split in splits:
        name = f"{split}.{task.data.source_lang}"
        inputs[f"bpe/{name}"] = task.out / "bpe" / name
    beam = max(2, task.decoding.beam)
    searched = replace(task.decoding, beam=beam, nbest=1, temperature=None, top=0)

    def make(folder: Path) -> None:
        job = make_job(replace(task, agreement=0), task.store(), folder)
        job = replace(job, decoding=searched)
        evaluate(job, task.distilled, splits, folder / "bleu.json")
        if job.checkpoint != task.teacher:
            shutil.rmtree(job.checkpoint)

    options = {"splits": splits, **searched.describe()}
    work.step("evaluation", inputs, options, make)


def describe(task: Task) -> dict[str, Any]:
    """Return what the manifest says beside hashes and versions."""
    data, bleu = task.data, None
    if task.evaluate:
        bleu = json.loads((task.out / "evaluation" / "bleu.json").read_text("utf-8"))
    counts = {"pairs": read_counts(task.out / "bpe" / "counts.tsv")}
    if task.mono:
        counts["mono"] = read_counts(task.out / "mono" / "text" / "counts.tsv")
    human = {
        f"{folder}/{name}": sha256(path)
        for folder in ("raw", "bpe")
        for name, path in data.files(data.out / folder).items()
    }
    return {
        "langs": list(data.langs),
        "splits": data.splits(),
        "teacher": {"sha256": sha256(task.teacher), "bleu": bleu},
        "decoding": task.decoding.describe(),
        "filters": {**task.limits.describe(), "human_share": task.human_share},
        "counts": counts,
        "human": human,
        "mono": {path.name: sha256(path) for path in task.mono},
    }


# -------------------------------------------------------------------------------- main


def read_plans(folder: Path, out: Path, workers: int) -> tuple[Plan, Plan]:
    """Return the plans of the prepared corpus in ``folder`` and of the distilled one.

    Raises:
        UserError: If ``folder`` is not a prepared corpus.
    """
    path = folder / "bin" / "text.json"
    try:
        recipe = json.loads(path.read_text("utf-8"))
        langs = recipe["source_lang"], recipe["target_lang"]
        bpe = recipe.get("bpe", "subword_nmt")
    except FileNotFoundError:
        raise UserError(f"The file {path} is missing; run prepare.py first.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} must name the two languages, but does not.") from None
    if out.resolve() == folder.resolve():
        raise UserError(f"--out must not be the folder of --data, but both are {out}.")
    data = Plan(folder / "raw", folder, *langs, bpe=bpe, workers=workers)
    dictionary = folder / "bin" / f"dict.{langs[1]}.txt"
    return data, replace(data, out=out, joined_dict=dictionary)


def choose_devices(name: str, workers: int | None) -> tuple[str, ...]:
    """Return a device for each local worker.

    Without ``--workers`` there is one for each GPU or each core; under torchrun there
    is one, on the GPU that torchrun names.
    """
    device = teachers.find_device(name)
    if device != "cuda":
        return (device,) * (workers or default_workers())
    import torch

    if "LOCAL_RANK" in os.environ:
        return (f"cuda:{os.environ['LOCAL_RANK']}",)
    gpus = torch.cuda.device_count()
    return tuple(f"cuda:{n}" for n in range(min(workers or gpus, gpus)))


def default_workers() -> int:
    """Return one worker for each core, or one where many processes run already."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return 1 if "LOCAL_RANK" in os.environ else cores


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="checkpoint of the teacher")
    add("--data", type=Path, required=True, help="corpus made by prepare.py")
    add("--out", type=Path, required=True, help="folder of the distilled corpus")

    add = parser.add_argument_group("decoding").add_argument
    add("--beam", type=int, default=4, help="beam size of the teacher")
    add("--nbest", type=int, default=1, help="translations kept of each sentence")
    add("--sample", type=float, metavar="T", help="draw words at temperature T instead")
    add("--sample-top", type=int, default=0, metavar="N", help="of the N best only")
    add("--seed", type=int, default=1, help="of all that is drawn")
    add("--max-tokens", type=int, default=16_000, help="batch size in subwords")
    add(
        "--autocast",
        default="auto",
        choices=teachers.PRECISIONS,
        help="number format; auto: bfloat16 where the hardware multiplies it",
    )
    add("--backend", default="fairseq", choices=teachers.BACKENDS)
    add(
        "--compute-type",
        default="float32",
        choices=teachers.COMPUTE_TYPES,
        help="number format of the back end ctranslate2",
    )
    add("--device", default="auto", help="cpu, cuda, ... (auto: a GPU if there is one)")

    add = parser.add_argument_group("text").add_argument
    add(
        "--mono",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="raw source text without translations (.gz or not), to be used as well",
    )
    add(
        "--mix-human",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="add this share of the human pairs",
    )
    add("--max-ratio", type=float, help="most subwords per subword of the other side")
    add("--max-copy", type=float, help="largest share of words copied from the source")
    add("--max-repetition", type=float, help="largest share of repeated word pairs")
    add("--min-score", type=float, help="least log-probability per subword")

    add = parser.add_argument_group("work").add_argument
    add("--workers", type=int, help="processes (default: one for each core or GPU)")
    add("--shards", type=int, metavar="N", help="decode only a share: one of N")
    add("--shard", type=int, metavar="I", help="which, from 0")
    add("--merge", action="store_true", help="make the corpus of the decoded shards")
    add("--chunk-lines", type=int, default=2_000, help="lines a killed run can lose")
    add("--dry-run", action="store_true", help="say which steps there are to do")
    add(
        "--no-evaluation",
        action="store_true",
        help="do not score the teacher on validation and test sets",
    )
    return parser


def read_task(args: argparse.Namespace) -> Task:
    """Turn the command line into a task.

    Raises:
        UserError: If an option cannot be used.
    """
    if args.workers is not None and args.workers < 1:
        raise UserError(f"--workers must be at least 1, but is {args.workers} instead.")
    workers = args.workers or default_workers()
    data, distilled = read_plans(args.data, args.out, workers)
    devices = choose_devices(args.device, args.workers)
    if args.backend == "ctranslate2":
        precision = args.compute_type
    else:
        precision = teachers.resolve_precision(args.autocast, devices[0])
    decoding = Decoding(
        beam=args.beam,
        nbest=args.nbest,
        temperature=args.sample,
        top=args.sample_top,
        seed=args.seed,
        max_tokens=args.max_tokens,
        precision=precision,
        backend=args.backend,
    )
    limits = Limits(
        distilled.max_length,
        args.max_ratio,
        args.max_copy,
        args.max_repetition,
        args.min_score,
    )
    return Task(
        data,
        distilled,
        args.teacher,
        decoding,
        devices,
        tuple(args.mono),
        limits,
        args.mix_human,
        args.chunk_lines,
        evaluate=not args.no_evaluation,
    )


def run(args: argparse.Namespace) -> None:
    """Do all, or a shard, or the rest after all shards."""
    task = read_task(args)
    if args.merge:
        check(task)
        make_corpus(task, partial(merge, task))
        return
    shard = find_shard(args.shards, args.shard, os.environ)
    if shard is None:
        distill(task, args.dry_run)
        return
    check(task)
    if task.mono:
        prepare_mono(task.data, task.out, task.mono)
    decode_shard(task, shard)
    report(
        f"shard {shard.index} of {shard.count} is done; when all are, run the same "
        "command once more with --merge instead."
    )


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    with errors_as_sentences():
        run(args)


if __name__ == "__main__":
    main()
