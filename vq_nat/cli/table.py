"""The command `vq-nat table`: prints measured rows, or writes them into a README."""

import argparse
from pathlib import Path
from typing import Any


def add_table_command(commands: Any) -> None:
    """Adds `table` to the subparsers of `vq-nat`."""
    table = commands.add_parser(
        "table", help="print the table of measured systems from a folder of rows"
    )
    table.add_argument("rows", metavar="ROWS_DIR", type=Path, help="folder of *.json")
    table.add_argument(
        "--markdown", action="store_true", help="as Markdown, not in plain columns"
    )
    table.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="write the tables between the `<!-- results:CORPUS -->` marks of FILE",
    )
    table.set_defaults(run=run_table)


def run_table(options: argparse.Namespace) -> None:
    """Prints the main table of the rows in a folder."""
    from ..results.report import load_rows, main_table

    if not options.rows.is_dir():
        raise FileNotFoundError(f"the folder {options.rows} does not exist.")
    rows = load_rows(options.rows)
    if not rows:
        raise ValueError(f"{options.rows} must hold rows (*.json), but has none.")
    if options.readme is not None:
        from ..results.report import update_readme

        update_readme(options.readme, rows)
        return
    table = main_table(rows)
    print(table if options.markdown else plain_columns(table))


def plain_columns(markdown: str) -> str:
    """Sets the tables of a Markdown text in columns; other lines stay as they are."""
    lines = markdown.splitlines()
    rows = {
        i: [cell.strip() for cell in line.strip().strip("|").split("|")]
        for i, line in enumerate(lines)
        if line.lstrip().startswith("|")
    }
    ruler = {i for i, row in rows.items() if not set("".join(row)) - set(":-")}
    width = max((len(row) for row in rows.values()), default=0)
    widths = [
        max(len(row[c]) for i, row in rows.items() if c < len(row) and i not in ruler)
        for c in range(width)
    ]
    for i, row in rows.items():
        cells = ["-" * w for w in widths] if i in ruler else row
        padded = (cell.ljust(w) for cell, w in zip(cells, widths))
        lines[i] = "  ".join(padded).rstrip()
    return "\n".join(lines)
