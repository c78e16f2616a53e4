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
from collections.abc import Callable
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.steps import UserError, once, sha256
from data_prep.lib.teachers import find_device
from examples.lib.corpora import distill, make_corpus
from examples.lib.experiment import require_positive
from examples.lib.places import ROOT, locked
from examples.lib.progress import minutes, say
from examples.lib.quickstart_plan import WORDS, QuickstartPlan, read_preset
from examples.lib.scripts import add_machine, planned
from examples.lib.trainings import train


def run(plan: QuickstartPlan) -> None:
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
        kind = "words as codes" if name == WORDS else "a latent model"
        title = f"Student `{name}`: {kind} on {text}"
        steps.append((title, partial(train_student, plan, name, corpus)))
        if preset["student"].get("average"):
            title = "Its checkpoint: the best of the last ones and their mean"
            steps.append((title, partial(select_checkpoint, plan, name)))
    steps.append(("Measurement: quality and time", partial(measure, plan)))
    steps.append(
        ("Examples: translations and their codes", partial(show_examples, plan))
    )
    begin = time.monotonic()
    for number, (title, action) in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {title}")
        say(f"      {action()}")
    say(f"All done in {minutes(time.monotonic() - begin)}.")


def train_student(plan: QuickstartPlan, name: str, corpus: Path) -> str:
    """Trains a student; its checkpoint is chosen afterwards if several are kept."""
    options = {k: v for k, v in plan.flags_of(name).items() if k != "average"}
    kept = "last" if plan.preset["student"].get("average") else "best"
    return train(
        plan,
        name,
        plan.work / name,
        options,
        corpus,
        plan.teacher,
        f"checkpoint_{kept}.pt",
    )


def select_checkpoint(plan: QuickstartPlan, name: str) -> str:
    """Lets a student's last checkpoints and their mean translate the validation set."""
    from examples.lib import selection
    from examples.lib.quickstart_measure import read_test_set

    folder, number = plan.work / name, int(plan.preset["student"]["average"])
    recipe = {
        "version": 1,
        "options": {"number": number},
        "inputs": {"last": sha256(folder / "checkpoint_last.pt")},
    }
    valid = read_test_set(plan, "valid")
    decode = selection.decoder(
        plan.corpus / "bin", find_device(plan.device), valid.sources
    )
    out, chosen = folder / "checkpoint_best.pt", []

    def make() -> None:
        chosen.append(selection.select(folder, number, valid, decode, out))

    once(plan.stamp(f"{name}-selected"), recipe, out, make)
    return f"done: {chosen[0]}" if chosen else "reused"


def read_plan(args: argparse.Namespace) -> QuickstartPlan:
    """Turns the command line into a plan.

    Raises:
        UserError: if an option cannot be used.
    """
    require_positive(args, ("threads",))
    if args.data is not None and args.corpus == "demo":
        raise UserError("--data must go with --corpus multi30k; the demo needs none.")
    if args.data is not None and not args.data.is_dir():
        raise UserError(f"--data must be a folder, but {args.data} is not.")
    preset = args.preset or ROOT / "examples" / "presets" / f"{args.corpus}.yaml"
    work = (args.work or ROOT / "runs" / args.corpus).resolve()
    return QuickstartPlan(
        kind=args.corpus,
        preset=read_preset(preset),
        work=work,
        rows=(args.rows or work / "rows").resolve(),
        data=args.data and args.data.resolve(),
        threads=args.threads,
        device=args.device,
        compare=args.compare,
        seeds=tuple(args.seeds),
    )


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--corpus", choices=("demo", "multi30k"), default="demo", help="what to learn")
    add("--data", type=Path, help="multi30k: folder of the raw files (else: download)")
    add("--compare", action="store_true", help="train a student on the human text too")
    add(
        "--seeds", type=int, nargs="+", default=[], help="of further students: a spread"
    )
    add("--work", type=Path, help="folder for everything (default: runs/CORPUS)")
    add("--rows", type=Path, help="folder for result rows (default: WORK/rows)")
    add("--preset", type=Path, help="default: examples/presets/CORPUS.yaml")
    add_machine(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    with planned(args, read_plan) as plan, locked(plan.work, "quickstart"):
        run(plan)


if __name__ == "__main__":
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    main()
