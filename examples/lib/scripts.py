"""Owns what command lines of scripts share: machine options, errors as sentences."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from data_prep.lib.steps import errors_as_sentences
from vq_nat.cli.arguments import positive as positive

Made = TypeVar("Made")


def add_machine(
    parser: argparse.ArgumentParser, auto: bool = True, jobs: bool = False
) -> None:
    """Adds the options that say on what machine a script works.

    Args:
        parser: of the script.
        auto: whether the device may be the GPU if there is one, which is the default.
        jobs: whether trainings may run side by side.
    """
    add = parser.add_argument
    add("--threads", type=int, default=2, help="CPU threads (default: 2)")
    if jobs:
        add("--jobs", type=int, default=1, help="trainings side by side (default: 1)")
    devices = ("auto", "cpu", "cuda") if auto else ("cpu", "cuda")
    add("--device", choices=devices, default=devices[0], help="default: %(default)s")


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what was refused, too, into one sentence and exit status 1."""
    with errors_as_sentences():
        try:
            yield
        except ValueError as error:
            sys.exit(f"error: {error}")


@contextmanager
def planned(
    args: argparse.Namespace, read_plan: Callable[[argparse.Namespace], Made]
) -> Iterator[Made]:
    """Yields the plan of a command line; what a user can mend ends in a sentence."""
    warnings.simplefilter("ignore")  # of fairseq's imports, which no user can heed
    with errors_as_sentences():
        yield read_plan(args)
