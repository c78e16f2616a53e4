"""From nothing to a table: corpus, teacher, distillation, latent student, measurement.

Every step is skipped when it is finished and continues where it was interrupted. The
steps call the commands that a user would type; each command stands at the head of its
log, WORK/STEP/*.log.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.steps import UserError, errors_as_sentences
from examples.lib.corpora import distill, make_corpus
from examples.lib.places import ROOT, locked
from examples.lib.progress import minutes, say
from examples.lib.quickstart_plan import Plan, read_preset
from examples.lib.trainings import train


def run(plan: Plan) -> None:
    """Runs all steps."""
    # Only now, as it brings torch and fairseq: wrong options are refused at once.
    from examples.lib.quickstart_measure import measure, show_examples

    preset = plan.preset
    make_it = partial(make_corpus, plan, preset["corpus"])
    folder = plan.teacher.parent
    teach = partial(train, plan, "teacher", folder, preset["teacher"], plan.corpus)
    translate = partial(distill, plan, plan.teacher, plan.distilled, preset["distill"])
    steps: list[tuple[str, Callable[[], str]]] = [
        ("Corpus: text, subwords, binary files", make_it),
        ("Teacher: an autoregressive Transformer on the human text", teach),
        ("Distillation: the teacher translates", translate),
    ]
    for name, corpus in plan.students.items():
        text = "the human text" if corpus == plan.corpus else "the teacher's output"
        train_it = partial(
            train,
            plan,
            name,
            plan.work / name,
            preset["student"],
            corpus,
            plan.teacher,
        )
        steps.append((f"Student: a latent model on {text}", train_it))
    steps.append(("Measurement: quality and time", partial(measure, plan)))
    steps.append(
        ("Examples: translations and their codes", partial(show_examples, plan))
    )
    begin = time.monotonic()
    for number, (title, action) in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {title}")
        say(f"      {action()}")
    say(f"All done in {minutes(time.monotonic() - begin)}.")


def read_plan(args: argparse.Namespace) -> Plan:
    """Turns the command line into a plan.

    Raises:
        UserError: if an option cannot be used.
    """
    if args.threads < 1:
        raise UserError(f"--threads must be at least 1, but is {args.threads} instead.")
    if args.data is not None and args.corpus == "demo":
        raise UserError("--data must go with --corpus multi30k; the demo needs none.")
    if args.data is not None and not args.data.is_dir():
        raise UserError(f"--data must be a folder, but {args.data} is not.")
    preset = args.preset or ROOT / "examples" / "presets" / f"{args.corpus}.yaml"
    work = (args.work or ROOT / "runs" / args.corpus).resolve()
    return Plan(
        kind=args.corpus,
        preset=read_preset(preset),
        work=work,
        rows=(args.rows or work / "rows").resolve(),
        data=args.data and args.data.resolve(),
        threads=args.threads,
        device=args.device,
        compare=args.compare,
    )


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--corpus", choices=("demo", "multi30k"), default="demo", help="what to learn")
    add("--data", type=Path, help="multi30k: folder of the raw files (else: download)")
    add("--compare", action="store_true", help="train a student on the human text too")
    add("--work", type=Path, help="folder for everything (default: runs/CORPUS)")
    add("--rows", type=Path, help="folder for result rows (default: WORK/rows)")
    add("--preset", type=Path, help="default: examples/presets/CORPUS.yaml")
    add("--threads", type=int, default=2, help="CPU threads (default: 2)")
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes the GPU if there is one",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    warnings.simplefilter("ignore")  # of fairseq's imports, which no user can heed
    with errors_as_sentences():
        plan = read_plan(args)
        with locked(plan.work, "quickstart"):
            run(plan)


if __name__ == "__main__":
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    main()
