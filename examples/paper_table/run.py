"""The paper's table, every row, from one command: training, measuring, report.

    python examples/paper_table/run.py demo                      # all that is missing
    python examples/paper_table/run.py demo --dry-run            # what that would be
    python examples/paper_table/run.py multi30k --rows vq teacher --seeds 1
    python examples/paper_table/run.py multi30k --diagnose       # where the loss is
    python examples/paper_table/run.py multi30k --report         # from the rows alone

A finished row is one JSON file. It is kept as long as the part of the configuration
that it depends on stays the same, whether or not its model is still there.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from data_prep.lib.steps import UserError
from examples.lib.experiment import require_positive
from examples.lib.places import ROOT, locked
from examples.lib.scripts import add_machine, planned
from examples.paper_table.config import TEACHER, TEXTS, Table, read_table
from examples.paper_table.overview import overview
from examples.paper_table.plan import TablePlan, choose_rows

PARTS = ("rows", "ablations", "report")  # of tables, none themselves
HERE = Path(__file__).resolve().parent
TABLES = tuple(sorted(p.stem for p in HERE.glob("*.yaml") if p.stem not in PARTS))
GIVEN = (TEACHER, "corpus", *TEXTS[1:])
WAYS = ("train_only", "measure_only", "time", "diagnose", "report")  # to run, one of


def run(plan: TablePlan, args: argparse.Namespace) -> None:
    """Makes what is missing of the rows, then the report.

    What fails is named at the end; it does not keep the other rows from being made.

    Raises:
        UserError: if anything has failed.
    """
    # Only now, as these bring torch and fairseq: wrong options are refused at once.
    from examples.paper_table.diagnose import diagnose_all
    from examples.paper_table.measure import refuse_other_device, time_again

    refuse_other_device(plan)
    failed: dict[str, str] = {}
    if args.time:
        time_again(plan, failed)
    if args.diagnose:
        diagnose_all(plan, failed)
    if not args.time and not args.diagnose:
        make(plan, args, failed)
    if not args.train_only:
        report(plan)
    if failed:
        reasons = "\n".join(f"{name}: {why}" for name, why in failed.items())
        raise UserError(f"{len(failed)} part(s) of the table failed.\n{reasons}")


def make(plan: TablePlan, args: argparse.Namespace, failed: dict[str, str]) -> None:
    """Trains and measures what is missing, each row as soon as its model is there."""
    from examples.paper_table.measure import measure_all, measure_ready
    from examples.paper_table.train import train_all

    if not args.train_only:
        measure_ready(plan, failed)
    if not args.measure_only:
        then = partial(measure_ready, plan, failed)
        train_all(plan, failed, (lambda: None) if args.train_only else then)
    if not args.train_only:
        measure_all(plan, failed)


def report(plan: TablePlan) -> None:
    """Writes the report and says where it is."""
    from examples.paper_table.report import make_report

    print(f"Report: {make_report(plan)}", flush=True)


def read_plan(args: argparse.Namespace) -> TablePlan:
    """Turns the command line into a plan.

    Raises:
        UserError: if an option cannot be used.
    """
    require_positive(args, ("threads", "jobs"))
    refuse_several(args, WAYS)
    if args.stale:  # makes rows anew, which these leave as they are
        refuse_several(args, ("stale", "time", "diagnose", "report"))
    path = args.config or HERE / f"{args.table}.yaml"
    table = read_table(path)
    work = args.work or ROOT / "runs" / table.name
    return TablePlan(
        kind=table.corpus["kind"],
        work=work.resolve(),
        data=args.data and args.data.resolve(),
        threads=args.threads,
        device=args.device,
        jobs=args.jobs,
        table=table,
        results=args.results.resolve(),
        names=choose_rows(table, args.rows),
        seeds=read_seeds(args.seeds, table),
        stale=args.stale,
        given=read_given(args.use),
    )


def refuse_several(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuses options of which only one can be done.

    Raises:
        UserError: naming two of them.
    """
    given = ["--" + name.replace("_", "-") for name in names if getattr(args, name)]
    if len(given) > 1:
        raise UserError(f"{given[0]} must not go with {given[1]}.")


def read_seeds(seeds: list[int] | None, table: Table) -> tuple[int, ...]:
    """Returns the seeds that are wanted; none for all.

    Raises:
        UserError: for one that no model has.
    """
    known = {seed for model in table.models.values() for seed in model.seeds}
    for seed in seeds or ():
        if seed not in known:
            raise UserError(
                f"--seeds must be among {', '.join(map(str, sorted(known)))}, "
                f"but one is {seed} instead."
            )
    return tuple(seeds or ())


def read_given(words: list[str]) -> dict[str, Path]:
    """Reads NAME=PATH of what was made elsewhere.

    Raises:
        UserError: for an unknown name or a path that does not exist.
    """
    given: dict[str, Path] = {}
    for word in words:
        name, _, path = word.partition("=")
        if name not in GIVEN or not path:
            raise UserError(
                f"--use must be NAME=PATH with a NAME of {', '.join(GIVEN)}, "
                f"but is `{word}` instead."
            )
        given[name] = Path(path).resolve()
        kind = "file" if name == TEACHER else "folder"
        if not (given[name].is_file() if kind == "file" else given[name].is_dir()):
            raise UserError(f"--use {name} must be a {kind}, but {path} is not.")
    return given


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("table", nargs="?", choices=TABLES, default="demo", help="corpus and size")
    add("--config", type=Path, help="a configuration of your own instead")
    add("--rows", nargs="+", metavar="NAME", help="rows or groups (default: all)")
    add("--seeds", type=int, nargs="+", help="of the rows that have several")
    add("--stale", action="store_true", help="make rows of old configurations anew")
    add("--dry-run", action="store_true", help="say what there is to do, and how long")
    add("--train-only", action="store_true", help="measure nothing")
    add("--measure-only", action="store_true", help="train nothing")
    add("--time", action="store_true", help="only time all finished rows anew")
    add(
        "--diagnose",
        action="store_true",
        help="only tell of finished rows what predictor and decoder lose",
    )
    add("--report", action="store_true", help="only make the report from the rows")
    add("--work", type=Path, help="corpus and models (default: runs/TABLE)")
    add("--data", type=Path, help="folder of the raw files (else: download)")
    add("--results", type=Path, default=HERE.parent / "results" / "paper_table")
    add(
        "--use",
        nargs="+",
        default=[],
        metavar="NAME=PATH",
        help=f"take what was made elsewhere: {', '.join(GIVEN)}",
    )
    add_machine(parser, jobs=True)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    with planned(args, read_plan) as plan:
        if args.dry_run:
            print(overview(plan))
            return
        if args.report:
            report(plan)
            return
        with locked(plan.work, "table or quickstart"):
            run(plan, args)


if __name__ == "__main__":
    for library in ("fairseq", "matplotlib"):  # an import of fairseq's asks for all
        logging.getLogger(library).setLevel(logging.WARNING)
    main()
