"""Does soft EM need fewer bits than hard EM? The paper's comparison, on images.

One autoencoder is trained with the gradient loss, with moving averages (hard EM) and
with soft EM (M = 5, 10 and exact), without product quantization, otherwise equal; and,
as a reference, with product quantization. Of each setting and seed a row is kept: the
figures on the test set, and those of validation over the updates. The report and the
plot come from the rows. A training whose row is there is not repeated, and one that was
interrupted goes on where it stopped. After each of them a prior of its codes is
trained, unless --no-prior: its bits take the place of the uniform prior's.

    python examples/cifar10_em.py --data runs/cifar10/images --seeds 1 2 3
    python examples/cifar10_em.py --data runs/cifar10/images --members --no-prior

With --members the family's other members are trained in their place, otherwise equal.

The committed rows were made with --results examples/results/cifar10.
"""

from __future__ import annotations

import argparse
import functools
import logging
import math
import sys
import threading
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.steps import UserError, hash_of
from examples.lib import (
    cifar10_em_members,
    cifar10_em_prior,
    cifar10_em_report,
    experiment,
)
from examples.lib.cifar10_em_plan import (
    LABELS,
    SETTINGS,
    ComparisonPlan,
    Run,
    options_of,
    read_preset,
    runs_of,
)
from examples.lib.cifar10_em_rows import EMRow, Point
from examples.lib.places import ROOT, locked
from examples.lib.progress import minutes, say
from examples.lib.scripts import add_machine, planned
from examples.lib.side_by_side import side_by_side
from examples.lib.trainings import call_fairseq_train, make_ready
from vq_nat.bench.conditions import Conditions
from vq_nat.bench.images import measure
from vq_nat.results.training_log import LogEntry, read_entry, read_log

PRESETS = ROOT / "examples" / "presets"
RECIPE_VERSION = 2  # raise when a row changes for the same flags
ONE_AT_A_TIME = threading.Lock()  # the number of threads is the whole process's
COLLAPSED = 0.05  # a perplexity below this share of the codes


# ---------------------------------------------------------------------------- training


def train(plan: ComparisonPlan, run: Run) -> tuple[EMRow, str]:
    """Returns a training's row, trained only if there is none for these flags."""
    options, folder = options_of(plan, run), plan.work / run.name
    inputs = hashes(plan.data)
    recipe = {"version": RECIPE_VERSION, "flags": options, "inputs": inputs}

    def make() -> EMRow:
        make_ready(folder, recipe)
        log = folder / "train.log"
        command = call_fairseq_train(plan.data, folder, options)
        name = run.name if plan.jobs > 1 else ""
        experiment.train(
            command,
            log,
            updates=plan.updates,
            threads=plan.threads,
            device=plan.device,
            name=name,
        )
        return make_row(plan, run, folder)

    stamp = plan.work / ".done" / f"{run.name}.json"
    path = plan.results / f"{run.name}.json"
    return experiment.made_once(path, stamp, recipe, make)


@functools.cache
def hashes(data: Path) -> dict[str, str]:
    """Returns the SHA-256 of all files of a data folder."""
    return experiment.hashes([p for p in data.rglob("*") if p.is_file()], data)


def make_row(plan: ComparisonPlan, run: Run, folder: Path) -> EMRow:
    """Measures a trained model on the test set, and reads its log.

    The model is that of the last update: the best on validation would favour what
    varies more.

    Raises:
        UserError: if there is no validation in the log.
    """
    from vq_nat.image import open_images
    from vq_nat.image.checkpoints import load_autoencoder

    log = folder / "train.log"
    curve = read_curve(log)
    model = load_autoencoder(folder / "checkpoint_last.pt", plan.device)
    conditions = Conditions(plan.device, plan.threads, batch_size=100)
    images = open_images(plan.data, "test")
    with ONE_AT_A_TIME:
        row = measure(model, images, "test", None, conditions)
    codebook = row["codebook"]
    assert codebook is not None  # all settings have codes
    return {
        **row,
        "kind": "cifar10_em",
        "codebook": codebook,
        "setting": run.setting,
        "label": LABELS[run.setting],
        "seed": run.seed,
        "images": plan.preset["images"],
        "data_sha256": hash_of(hashes(plan.data)),
        "test_images": len(images),
        "updates": plan.updates,
        "jobs": min(plan.jobs, len(list(runs_of(plan)))),
        "batch_size": plan.preset["train"]["batch-size"],
        "flags": options_of(plan, run),
        "curve": curve,
        "collapsed": codebook["perplexity"] < COLLAPSED * codebook["codes"],
        "prior": None,  # of a learned one there is a row beside, see cifar10_em_prior
        "train_seconds": round(read_log(log).seconds),
    }


def read_curve(log: Path) -> list[Point]:
    """Reads validation over the updates; of a repeated update the last counts.

    Raises:
        UserError: if there is none.
    """
    with open(log, encoding="utf-8", errors="replace") as lines:
        entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    points = [point(entry) for entry in entries if entry.kind == "valid"]
    points = [here for here in points if math.isfinite(here["bits_per_dim"])]
    if not points:
        raise UserError(f"{log} must hold a validation of codes, but does not.")
    return list({here["updates"]: here for here in points}.values())


def point(entry: LogEntry) -> Point:
    """Returns what a validation says."""
    values = entry.values
    return {
        "updates": int(values["num_updates"]),
        "bits_per_dim": values["bits_per_dim"],
        "reconstruction_bits": values["reconstruction_bits"],
        "perplexity": values["vq_perplexity"],
        "recent_codes": values["vq_recent_codes"],
    }


# -------------------------------------------------------------------------------- main


def run_all(plan: ComparisonPlan) -> None:
    """Trains what is missing, then writes the report and the plot."""
    todo = list(runs_of(plan))
    hashes(plan.data)  # once, before several want them

    def make(number: int, run: Run) -> None:
        label = f"{LABELS[run.setting]}, seed {run.seed}"
        say(f"[{number}/{len(todo)}] {label}")
        start = f"      {label}: " if plan.jobs > 1 else "      "
        row, state = train(plan, run)
        say(f"{start}{state}: {describe(row)}")
        if plan.learns_prior:
            say(f"{start}{learn_prior(plan, run, row)}")

    tasks = [functools.partial(make, *numbered) for numbered in enumerate(todo, 1)]
    side_by_side(tasks, plan.jobs)
    say(report(plan))


def describe(row: EMRow) -> str:
    """Sums up a training."""
    bits, codebook = row["bits_per_dim"], row["codebook"]
    return (
        f"{bits['total_uniform']:.3f} bits/dim, perplexity "
        f"{codebook['perplexity']:.0f} of {codebook['codes']}, "
        f"{minutes(row['train_seconds'])}"
    )


def report(plan: ComparisonPlan) -> str:
    """Writes the report and the plot of all rows there are."""
    return cifar10_em_report.write(plan.results, list(LABELS), COLLAPSED)


def learn_prior(plan: ComparisonPlan, run: Run, row: EMRow) -> str:
    """Trains a prior of a model's codes, and returns what it saves."""
    inputs = hashes(plan.data)
    prior, state = cifar10_em_prior.train(plan.prior, run.name, row, inputs)
    return (
        f"prior {state}: {prior['bits_per_dim']:.3f} bits/dim instead of "
        f"{row['bits_per_dim']['prior_uniform']:.3f}, {minutes(prior['train_seconds'])}"
    )


def read_plan(args: argparse.Namespace) -> ComparisonPlan:
    """Turns the command line into a plan.

    Raises:
        UserError: if an option cannot be used.
    """
    preset = read_preset(args.preset)
    args.updates = preset["updates"] if args.updates is None else args.updates
    experiment.require_positive(args, ("updates", "threads", "jobs"))
    if args.data is None and not args.report:
        raise UserError("--data must be given, but is not.")
    if args.data is not None and not args.data.is_dir():
        raise UserError(f"--data must be a folder of images; {args.data} is none.")
    work = args.work or ROOT / "runs" / args.preset.stem
    return ComparisonPlan(
        data=(args.data or Path()).resolve(),
        work=work.resolve(),
        results=(args.results or work / "results").resolve(),
        preset=preset,
        updates=args.updates,
        settings=list(cifar10_em_members.LABELS) if args.members else args.settings,
        seeds=args.seeds,
        threads=args.threads,
        device=args.device,
        learns_prior=args.prior,
        jobs=args.jobs,
    )


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, help="folder of images, e.g. CIFAR-10's")
    add("--preset", type=Path, default=PRESETS / "cifar10_em.yaml", help="a YAML file")
    add("--updates", type=int, help="of each training (default: the preset's)")
    add(
        "--settings",
        nargs="+",
        choices=LABELS,
        default=list(SETTINGS),
        metavar="NAME",
        help=f"among {', '.join(LABELS)} (default: the first {len(SETTINGS)})",
    )
    add("--members", action="store_true", help="all other members as settings")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds")
    add("--report", action="store_true", help="only the report, from rows there are")
    add("--no-prior", dest="prior", action="store_false", help="no learned priors")
    add("--work", type=Path, help="checkpoints and logs (default: runs/PRESET)")
    add("--results", type=Path, help="rows and report (default: WORK/results)")
    add_machine(parser, auto=False, jobs=True)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    with planned(args, read_plan) as plan:
        if args.report:
            say(report(plan))
            return
        with locked(plan.work, "comparison"):
            try:
                run_all(plan)
            except ValueError as error:  # of images that cannot be read
                raise UserError(str(error)) from None


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.WARNING)  # fairseq turns all loggers up
    main()
