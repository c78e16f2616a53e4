"""Does soft EM keep large codebooks alive? The paper's claim, on a small model.

The same latent model is trained with hard EM and with soft EM (M = 1, 5, 10 and exact)
at growing codebook sizes, as in the paper: random codes, no restarts, lambda = 0.999,
tau = 1. Of each training a row is kept: over the updates, how many codes were used in
the last hundred of them, and which share of the validation words comes out right when
the decoder is given the codes of the target itself. The table and the plot come from
the rows. A training whose row is there is not repeated.

    python examples/robustness.py --data runs/demo/corpus/bin --corpus demo
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.steps import UserError
from examples.lib import experiment
from examples.lib.places import ROOT, locked
from examples.lib.progress import minutes, say
from examples.lib.robustness_rows import Point, Survival
from examples.lib.scripts import add_machine, planned
from examples.lib.trainings import fairseq_train
from vq_nat.bench.machine import describe_machine
from vq_nat.bench.plots import pyplot
from vq_nat.results import tables as report
from vq_nat.results.rows import at
from vq_nat.results.training_log import LogEntry, read_entry, read_log
from vq_nat.writing import json_or_none

SIZES = tuple(2**power for power in range(8, 15))
ASSIGNMENTS: dict[str, dict[str, Any]] = {
    "hard": {"vq-assign": "hard"},
    "soft-1": {"vq-assign": "soft", "vq-num-samples": 1},
    "soft-5": {"vq-assign": "soft", "vq-num-samples": 5},
    "soft-10": {"vq-assign": "soft", "vq-num-samples": 10},
    "soft-exact": {"vq-assign": "soft", "vq-num-samples": 0},
}
LABELS = {
    "hard": "hard EM",
    "soft-1": "soft EM, M = 1",
    "soft-5": "soft EM, M = 5",
    "soft-10": "soft EM, M = 10",
    "soft-exact": "soft EM, exact",
}
CURVES = {"used_codes": "codes used in 100 updates", "word_accuracy": "words right"}
READ = ("dict", "train", "valid")  # the files of a corpus, by how their names begin
PACKAGES = ("python", "torch", "fairseq", "vq_nat")  # whose versions matter
RECIPE_VERSION = 2  # raise when a row changes for the same flags


@dataclass(frozen=True)
class RobustnessPlan:
    """What to train, and where; the trainings differ in three things only."""

    data: Path
    corpus: str
    work: Path
    results: Path
    updates: int
    max_tokens: int
    points: int  # validations of a training
    sizes: list[int]
    assignments: list[str]
    seeds: list[int]
    threads: int
    device: str

    @property
    def rows(self) -> Path:
        """Where the rows are kept."""
        return self.results / self.corpus


@dataclass(frozen=True)
class Run:
    """One training."""

    assign: str
    codes: int
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.assign}-{self.codes}-seed{self.seed}"


def runs_of(plan: RobustnessPlan) -> Iterator[Run]:
    """Yields all trainings, a seed of everything before the next seed of anything."""
    for seed, codes, assign in itertools.product(
        plan.seeds, plan.sizes, plan.assignments
    ):
        yield Run(assign, codes, seed)


def options_of(plan: RobustnessPlan, run: Run) -> dict[str, Any]:
    """Returns fairseq's flags of a training."""
    warm_up = min(100, max(1, plan.updates // 5))
    return {
        # ---- model: small, with the paper's bottleneck
        "arch": "vq_em_transformer_tiny",
        "compression-steps": 2,
        "vq-num-codes": run.codes,
        "vq-init": "random",
        "vq-restart-after": 0,
        "vq-warmup-updates": 0,
        "vq-decay": 0.999,
        "vq-temperature": 1.0,
        "vq-temperature-scale": "absolute",
        **ASSIGNMENTS[run.assign],
        "shown-sentences": 0.0,
        "latent-share-updates": 2 * warm_up,
        # ---- loss and optimizer
        "criterion": "latent_prediction",
        "optimizer": "adam",
        "adam-betas": "(0.9, 0.98)",
        "clip-norm": 1.0,
        "lr": 0.002,
        "lr-scheduler": "polynomial_decay",
        "warmup-updates": warm_up,
        "total-num-update": plan.updates,
        "max-update": plan.updates,
        "max-tokens": plan.max_tokens,
        "seed": run.seed,
        # ---- validation: no checkpoints, only figures
        "validate-interval-updates": max(1, plan.updates // plan.points),
        "no-save": True,
    }


# ---------------------------------------------------------------------------- training


def train(plan: RobustnessPlan, run: Run) -> tuple[Survival, str]:
    """Returns a training's row, trained only if there is none for these flags."""
    options, path = options_of(plan, run), plan.rows / f"{run.name}.json"
    stamp = plan.work / ".done" / f"{run.name}.json"
    recipe = {"version": RECIPE_VERSION, "flags": options, "inputs": hashes(plan.data)}

    def make() -> Survival:
        folder = plan.work / run.name
        log = folder / "train.log"
        log.unlink(missing_ok=True)
        command = fairseq_train(plan.data, folder, options)
        experiment.train(
            command, log, updates=plan.updates, threads=plan.threads, device=plan.device
        )
        return make_row(plan, run, log)

    return experiment.made_once(path, stamp, recipe, make)


@functools.cache
def hashes(data: Path) -> dict[str, str]:
    """Returns the SHA-256 of all that a training reads, by the file's name."""
    paths = [path for part in READ for path in data.glob(f"{part}.*")]
    return experiment.hashes(paths, data)


def make_row(plan: RobustnessPlan, run: Run, log: Path) -> Survival:
    """Reads a training's log.

    Raises:
        UserError: if there is no validation in it.
    """
    with open(log, encoding="utf-8", errors="replace") as lines:
        entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    curve = [point(entry, run.codes) for entry in entries if entry.kind == "valid"]
    if not curve:
        raise UserError(f"{log} must hold a validation, but does not.")
    return {
        "kind": "robustness",
        "corpus": plan.corpus,
        "assign": run.assign,
        "codes": run.codes,
        "seed": run.seed,
        "updates": plan.updates,
        "max_tokens": plan.max_tokens,
        "curve": curve,
        "final": curve[-1],
        "train_seconds": round(read_log(log).seconds),
        **describe_machine(plan.device, plan.threads, PACKAGES),
    }


def point(entry: LogEntry, codes: int) -> Point:
    """Returns what a validation says."""
    values = entry.values
    return {
        "updates": int(values["num_updates"]),
        "used_codes": round(values["vq_recent_codes"] * codes),
        "word_accuracy": values["word_accuracy"],
        "posterior_entropy": values["vq_posterior_entropy"],
        "quantization_error": values["vq_quantization_error"],
    }


# ------------------------------------------------------------------------------ report


def load_rows(plan: RobustnessPlan) -> list[Survival]:
    """Reads the rows of a corpus that were trained as long as the plan says."""
    rows = [json_or_none(path) for path in sorted(plan.rows.glob("*.json"))]
    length = (plan.updates, plan.max_tokens)
    return [
        row
        for row in rows
        if row and row.get("kind") == "robustness"
        if (row["updates"], row["max_tokens"]) == length
    ]


def tables(rows: list[Survival]) -> str:
    """Returns a table of used codes and one of right words, at the end of training."""
    used = table(rows, "used_codes", lambda value: f"{value:.0f}")
    right = table(rows, "word_accuracy", report.percent)
    return "\n\n".join(
        [
            f"Codes used in the last 100 updates, by codebook size\n\n{used}",
            f"Words right, given the target's codes, by codebook size\n\n{right}",
            notes(rows),
        ]
    )


def table(rows: list[Survival], name: str, write: Callable[[float], str]) -> str:
    """Returns mean and range over seeds of a figure, by assignment and size."""
    sizes = sorted({row["codes"] for row in rows})

    def cell_of(size: int) -> Callable[[str], str]:
        def cell(assign: str) -> str:
            own = [row for row in rows if row["assign"] == assign]
            values = [at(row, "final", name) for row in own if row["codes"] == size]
            return report.mean_and_range(values, write)

        return cell

    columns: list[report.Column[str]] = [("assignment", LABELS.__getitem__)]
    columns += [(str(size), cell_of(size)) for size in sizes]
    return report.markdown(columns, present(rows))


def present(rows: list[Survival]) -> list[str]:
    """Lists the assignments that have rows, in order."""
    known = {row["assign"] for row in rows}
    return [name for name in ASSIGNMENTS if name in known]


def notes(rows: list[Survival]) -> str:
    """Says what was trained, and on what."""
    seeds = len({row["seed"] for row in rows})
    return "\n".join(
        [
            f"- `vq_em_transformer_tiny` on {report.shared(rows, 'corpus')}, "
            f"{report.shared(rows, 'updates')} updates of at most "
            f"{report.shared(rows, 'max_tokens')} tokens; random codes, no restarts, "
            f"λ = 0.999, τ = 1; mean (and range) of {seeds} seed(s).",
            f"- {report.made_on(rows)}",
        ]
    )


def plot(rows: list[Survival], path: Path) -> None:
    """Draws both figures over the updates, a column for each codebook size."""
    plt = pyplot()
    sizes = sorted({row["codes"] for row in rows})
    figure, axes = plt.subplots(
        2,
        len(sizes),
        figsize=(2.6 * len(sizes) + 1, 5),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for column, size in enumerate(sizes):
        axes[0][column].set_title(f"K = {size}")
        axes[0][column].set_yscale("log", base=2)
        axes[1][column].set_xlabel("updates")
        for number, name in enumerate(present(rows)):
            own = [r for r in rows if r["assign"] == name and r["codes"] == size]
            for line, figure_name in enumerate(CURVES):
                experiment.draw_seeds(
                    axes[line][column],
                    [row["curve"] for row in own],
                    figure_name,
                    LABELS[name],
                    f"C{number}",
                )
    for line, label in enumerate(CURVES.values()):
        axes[line][0].set_ylabel(label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


# -------------------------------------------------------------------------------- main


def run_all(plan: RobustnessPlan) -> None:
    """Trains what is missing, then writes the table and the plot."""
    todo = list(runs_of(plan))
    for number, run in enumerate(todo, start=1):
        what = f"{LABELS[run.assign]}, K = {run.codes}, seed {run.seed}"
        say(f"[{number}/{len(todo)}] {what}")
        row, state = train(plan, run)
        final = row["final"]
        say(
            f"      {state}: {final['used_codes']} codes in use, "
            f"{report.percent(final['word_accuracy'])} of the words right, "
            f"{minutes(row['train_seconds'])}"
        )
    rows = load_rows(plan)
    text = tables(rows)
    (plan.rows / "robustness.md").write_text(text + "\n", encoding="utf-8")
    say(f"\n{text}\n")
    try:
        plot(rows, plan.rows / "robustness.png")
    except ImportError:
        say("The plot needs matplotlib: `pip install -e '.[plots]'`, then run again.")


def read_plan(args: argparse.Namespace) -> RobustnessPlan:
    """Turns the command line into a plan.

    Raises:
        UserError: if an option cannot be used.
    """
    experiment.require_positive(args, ("updates", "max_tokens", "points", "threads"))
    if min(args.sizes) < 2:
        raise UserError(
            f"--sizes must be at least 2, but is {min(args.sizes)} instead."
        )
    if not list(args.data.glob("dict.*.txt")):
        raise UserError(
            f"--data must hold binary files for fairseq; {args.data} does not."
        )
    return RobustnessPlan(
        data=args.data.resolve(),
        corpus=args.corpus,
        work=(args.work or ROOT / "runs" / "robustness" / args.corpus).resolve(),
        results=args.results.resolve(),
        updates=args.updates,
        max_tokens=args.max_tokens,
        points=args.points,
        sizes=args.sizes,
        assignments=args.assign,
        seeds=args.seeds,
        threads=args.threads,
        device=args.device,
    )


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a prepared corpus: its folder `bin`")
    add("--corpus", default="demo", help="its name, for rows and tables")
    add("--updates", type=int, default=1000, help="of each training")
    add("--max-tokens", type=int, default=4096, help="of a batch")
    add("--points", type=int, default=20, help="validations of each training")
    add("--sizes", type=int, nargs="+", default=list(SIZES), help="codebook sizes")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds")
    add("--assign", nargs="+", choices=ASSIGNMENTS, default=list(ASSIGNMENTS))
    add("--work", type=Path, help="logs (default: runs/robustness/CORPUS)")
    add("--results", type=Path, default=ROOT / "examples" / "results" / "robustness")
    add_machine(parser, auto=False)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    with planned(args, read_plan) as plan, locked(plan.work, "robustness experiment"):
        run_all(plan)


if __name__ == "__main__":
    main()
