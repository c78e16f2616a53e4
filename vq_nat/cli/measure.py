"""The command `vq-nat measure`: parses and calls; what it does is done in `bench`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .arguments import threads
from .decoding import add_decoding, chosen


def add_measure_command(commands: Any) -> None:
    """Adds `measure` to the subparsers of `vq-nat`."""
    measure = commands.add_parser(
        "measure", help="score and time a system on a test set, and write its row"
    )
    measure.add_argument("system", help="name of the row, for instance teacher-beam4")
    measure.add_argument("checkpoint", type=Path, help="its checkpoint")
    measure.add_argument("--label", help="name for readers (default: that of the row)")
    measure.add_argument(
        "--raw",
        type=Path,
        required=True,
        help="folder with the test set, a file for each of the checkpoint's languages",
    )
    measure.add_argument("--corpus", required=True, help="name of the corpus")
    measure.add_argument(
        "--test-set",
        default="test",
        metavar="NAME",
        help="NAME.SOURCE and NAME.TARGET are read, where there are none test.SOURCE "
        "and test.TARGET (default: test)",
    )
    measure.add_argument("--log", type=Path, help="fairseq's JSON log of the training")
    measure.add_argument(
        "--rows", type=Path, default=Path("rows"), help="where CORPUS/SYSTEM.json goes"
    )
    add_conditions(measure)
    add_decoding(measure)
    measure.set_defaults(run=run_measure)


def add_conditions(measure: argparse.ArgumentParser) -> None:
    """Adds what runs the system, and what is timed."""
    measure.add_argument("--threads", type=threads, default=2, help="default: 2")
    measure.add_argument(
        "--clock",
        dest="clocks",
        action="append",
        default=[],
        metavar="BATCH:THREADS",
        help="time batches of this size with so many threads as well, 0 for the "
        "largest that fits and for all threads; may be repeated",
    )
    measure.add_argument(
        "--stages", action="store_true", help="tell the time apart by stage"
    )
    measure.add_argument(
        "--engine",
        choices=("torch", "onnx", "ctranslate2", "vq-nat"),
        default="torch",
        help="what runs it; onnx for latent models, ctranslate2 for autoregressive "
        "ones, vq-nat for both (default: torch)",
    )
    measure.add_argument(
        "--compute-type",
        help="of other engines than torch: float32, int8, … (default: float32)",
    )


def run_measure(options: argparse.Namespace) -> None:
    """Measures one system and prints where its row is."""
    from ..bench.conditions import Clock, Conditions
    from ..bench.measure import measure_system
    from ..bench.sentences import TestSet
    from ..bench.systems import System
    from ..results.rows import row_path
    from ..translation.loading import languages_of
    from ..writing import write_json

    system = System(
        options.system,
        options.label or options.system,
        options.checkpoint,
        options.log,
        options.engine,
        measured_decoding(options),
    )
    languages = languages_of(options.checkpoint)
    file = files_of(options.raw, options.test_set, languages[0])
    names = options.corpus, options.test_set
    test_set = TestSet.read(options.raw, *names, languages, file)
    conditions = Conditions(
        device=options.device,
        threads=options.threads,
        clocks=tuple(Clock.read(text) for text in options.clocks),
        stages=options.stages,
    )
    path = row_path(options.rows, options.corpus, options.system)
    row = measure_system(system, [test_set], conditions, beside=path)
    print(write_json(row, path))


def files_of(raw: Path, name: str, language: str) -> str:
    """Returns the name of a test set's files; says so if it is not its own.

    Args:
        raw: folder with the files.
        name: of the test set.
        language: of its sources.

    Raises:
        ValueError: if it has none, and others have.
    """
    if name == "test" or (raw / f"{name}.{language}").is_file():
        return name
    others = sorted(p.stem for p in raw.glob(f"test?*.{language}") if p.stem != "test")
    if others:  # a name that is not theirs is a slip of the pen
        raise ValueError(
            f"`--test-set` must be one of test, {', '.join(others)}, of which {raw} "
            f"has files, but is {name!r} instead."
        )
    print(
        f"vq-nat: {raw} has no {name}.{language}: test.{language} is read as {name}.",
        file=sys.stderr,
    )
    return "test"


def measured_decoding(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the decoding options that differ from plain decoding, for the row.

    Raises:
        ValueError: for a number format of an engine that is not used.
    """
    decoding = chosen(options)
    if options.engine == "ctranslate2":
        for name in decoding:
            if name not in ("beam", "shortlist"):
                raise ValueError(f"`{name}` is no option of `--engine ctranslate2`.")
        decoding["beam"] = options.beam
    if options.compute_type is not None:
        if options.engine == "torch":
            raise ValueError("`--compute-type` must come with another `--engine`.")
        decoding["compute_type"] = options.compute_type
    return decoding
