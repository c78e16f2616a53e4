"""The command `vq-nat`: parses and calls; whatever it does is done elsewhere."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..extras import missing
from ..processes import Ended
from .codes import add_codes_command
from .diagnose import add_diagnose_command
from .export import add_export_command
from .image import add_image_commands
from .measure import add_measure_command
from .pack import add_pack_command
from .plot import add_plot_command
from .serve import add_serve_command
from .table import add_table_command
from .translate import add_translate_command

INTERRUPTED = 130  # as a shell says of a program that SIGINT has ended: 128 + 2
ENDED = 143  # and that SIGTERM has: 128 + 15


class SentenceParser(argparse.ArgumentParser):
    """Says in one sentence what is wrong, instead of repeating the usage."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`.\n")


def build_parser() -> argparse.ArgumentParser:
    """Describes the commands and their options."""
    parser = SentenceParser(
        prog="vq-nat", description="Translation by discrete latent variables."
    )
    parser.add_argument("--version", action="version", version=f"vq-nat {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    where = commands.add_parser("where", help="print the path for fairseq's --user-dir")
    where.set_defaults(run=run_where)

    add_translate_command(commands)
    add_pack_command(commands)
    add_export_command(commands)
    add_serve_command(commands)
    add_codes_command(commands)
    add_measure_command(commands)
    add_table_command(commands)
    add_plot_command(commands)
    add_diagnose_command(commands)
    add_image_commands(commands)
    return parser


def run_where(options: argparse.Namespace) -> None:
    """Prints the package's folder, spelled as Python imported it."""
    print(Path(__file__).absolute().parents[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Returns:
        0; 2 with one sentence of what is wrong; 130 if the user interrupts it, 143 if
        SIGTERM ends it while it writes a folder.
    """
    if sys.stderr is None:  # closed: what is said there must not go elsewhere
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    options = build_parser().parse_args(arguments)
    # Before fairseq is imported, which would have all libraries tell what they do.
    logging.basicConfig(level=logging.WARNING)
    try:
        options.run(options)
        if sys.stdout is not None:  # as Python has it where it is closed
            sys.stdout.flush()
    except Ended:
        return ENDED
    except KeyboardInterrupt:
        print("vq-nat: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:
        print(f"vq-nat: {missing(error)}", file=sys.stderr)
        return 2
    except (ImportError, OSError, ValueError) as error:
        print(f"vq-nat: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
