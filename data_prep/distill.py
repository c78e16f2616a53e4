"""Replaces the targets of the training set by a teacher's translations.

The model then learns one consistent way to translate instead of many (Kim & Rush,
arXiv 1606.07947). Validation and test sets, BPE codes and dictionaries stay the same,
and the teacher's output is used in subwords as it comes: nothing is tokenised twice.

On one machine all is done by one command. On a cluster, the same command under
torchrun or in a SLURM array (or with --shards N --shard I) decodes a share each, and
then once with --merge makes the corpus. Any run continues where another one stopped.
"""

import argparse
import json
import math
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib import teachers
from data_prep.lib.binarise import make_bin
from data_prep.lib.distillation import (
    RECIPE_VERSION,
    Distillation,
    check,
    codes_of,
    read_plans,
)
from data_prep.lib.distilled_text import make_bpe, make_raw, make_tok
from data_prep.lib.evaluate import evaluate
from data_prep.lib.filters import Limits
from data_prep.lib.manifest import read_counts, write_manifest
from data_prep.lib.mono import prepare_mono
from data_prep.lib.plan import raw_files
from data_prep.lib.shards import find_shard
from data_prep.lib.steps import (
    UserError,
    Workspace,
    errors_as_sentences,
    sha256,
    tell,
)
from data_prep.lib.teachers import Decoding
from data_prep.lib.translations import decode_all, decode_shard, make_job, merge
from vq_nat.autocasts import AUTOCASTS

BEAM = 4
COMPUTE = "--compute-type"


def distill(task: Distillation, dry_run: bool = False) -> None:
    """Runs every step that has no valid stamp yet.

    Args:
        task: what, and how.
        dry_run: only say which steps those are.

    Raises:
        UserError: if the corpus, the teacher or an option cannot be used.
    """
    check(task)
    if task.mono:
        prepare_mono(task.data, task.out, task.mono, dry_run)
    make_corpus(task, partial(decode_all, task), dry_run)


def make_corpus(task: Distillation, make_teacher: Any, dry_run: bool = False) -> None:
    """Makes the corpus; `make_teacher` fills the folder of translations."""
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
        tell(f"ready: {task.out / 'bin'}")


def evaluate_teacher(task: Distillation, work: Workspace) -> None:
    """Scores the teacher on validation and test sets, with its beam and greedily."""
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


def describe(task: Distillation) -> dict[str, Any]:
    """Returns what the manifest says beside hashes and versions."""
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


def choose_devices(name: str, workers: int | None) -> tuple[str, ...]:
    """Returns a device for each local worker.

    Without `--workers` there is one for each GPU or each core; under torchrun there
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
    """Returns one worker for each core, or one where many processes run already."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return 1 if "LOCAL_RANK" in os.environ else cores


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="checkpoint of the teacher")
    add("--data", type=Path, required=True, help="corpus made by prepare.py")
    add("--out", type=Path, required=True, help="folder of the distilled corpus")

    add = parser.add_argument_group("decoding").add_argument
    add("--beam", type=int, help=f"beam size of the teacher (default: {BEAM})")
    add("--nbest", type=int, default=1, help="translations kept of each sentence")
    add("--sample", type=float, metavar="T", help="draw words at temperature T instead")
    add("--sample-top", type=int, metavar="N", help="of the N best only")
    add("--seed", type=int, default=1, help="of all that is drawn")
    add("--max-tokens", type=int, default=16_000, help="batch size in subwords")
    add(
        "--autocast",
        default="auto",
        choices=AUTOCASTS,
        help="number format; auto: bfloat16 where the hardware multiplies it",
    )
    add("--backend", default="fairseq", choices=teachers.BACKENDS)
    add(
        COMPUTE,
        choices=teachers.COMPUTE_TYPES,
        help="number format of the back end ctranslate2 (default: float32)",
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


def refuse_other_options(args: argparse.Namespace) -> None:
    """Refuses options that would not count, and temperatures that are none.

    Raises:
        UserError: naming the option.
    """
    drawn, top = args.sample, args.sample_top
    if drawn is not None and not 0 < drawn < math.inf:
        raise UserError(f"--sample must be above 0 and finite, but is {drawn} instead.")
    if top is not None and top < 1:
        raise UserError(f"--sample-top must be at least 1, but is {top} instead.")
    foreign = args.backend == "ctranslate2"
    formats = foreign and args.autocast not in ("none", "auto")
    for wrong, option, other in (
        (top is not None and drawn is None, "--sample-top", "with --sample"),
        (args.beam is not None and drawn is not None, "--beam", "without --sample"),
        (args.compute_type and not foreign, COMPUTE, "with --backend ctranslate2"),
        (formats, f"--autocast {args.autocast}", "with --backend fairseq"),
    ):
        if wrong:
            raise UserError(f"{option} must come {other}, but does not.")


def read_task(args: argparse.Namespace) -> Distillation:
    """Turns the command line into a task.

    Raises:
        UserError: if an option cannot be used.
    """
    if args.workers is not None and args.workers < 1:
        raise UserError(f"--workers must be at least 1, but is {args.workers} instead.")
    refuse_other_options(args)
    workers = args.workers or default_workers()
    data, distilled = read_plans(args.data, args.out, workers)
    devices = choose_devices(args.device, args.workers)
    if args.backend == "ctranslate2":
        precision = args.compute_type or "float32"
    else:
        precision = teachers.resolve_precision(args.autocast, devices[0])
    decoding = Decoding(
        beam=BEAM if args.beam is None else args.beam,
        nbest=args.nbest,
        temperature=args.sample,
        top=args.sample_top or 0,
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
    return Distillation(
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
    """Does all, or a shard, or the rest after all shards."""
    task = read_task(args)
    if args.merge:
        check(task)
        make_corpus(task, partial(merge, task), args.dry_run)
        return
    shard = find_shard(args.shards, args.shard, os.environ)
    if shard is None:
        distill(task, args.dry_run)
        return
    if args.dry_run:
        raise UserError(
            "--dry-run must be of a run that does all, or of --merge, but is of shard "
            f"{shard.index} of {shard.count} instead."
        )
    check(task)
    if task.mono:
        prepare_mono(task.data, task.out, task.mono)
    decode_shard(task, shard)
    tell(
        f"shard {shard.index} of {shard.count} is done; when all are, run the same "
        "command once more with --merge instead."
    )


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    with errors_as_sentences():
        run(args)


if __name__ == "__main__":
    main()
