"""Owns which rows make which line of a table, and which lines stand apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data_prep.lib.steps import MISSING, STALE
from examples.paper_table.config import TEACHER, Table
from examples.paper_table.plan import (
    TablePlan,
    Unit,
    every_unit,
    needs_teacher,
    state_of,
)
from examples.paper_table.rows import TableRow
from vq_nat.results.checking import read_checked
from vq_nat.results.lines import BEAM, Line
from vq_nat.results.report import WHAT

ABLATIONS = "ablations"  # a group: its lines are compared with each other alone


def read_lines(plan: TablePlan) -> list[Line]:
    """Reads the rows of every line that has some, group by group as in the table.

    Rows that were made with another teacher, text or machine than those of the table
    are lines of their own, which say in what they differ.

    Raises:
        BadFile: if a row's figures are of other types.
    """
    known = [
        (unit, row, state)
        for unit in every_unit(plan)
        if (state := state_of(plan, unit)) != MISSING
        if (row := read_checked(plan.row_path(unit), WHAT, TableRow, whole=False))
    ]
    made_from = [provenance(unit, row) for unit, row, _ in known]
    usual = usual_parts(made_from, [unit.row.name for unit, _, _ in known])
    groups: dict[tuple[str, tuple[str, ...]], list[TableRow]] = {}
    stale = set()
    for (unit, row, state), parts in zip(known, made_from, strict=True):
        line = unit.row.name, tuple(k for k, v in parts.items() if v != usual[k])
        groups.setdefault(line, []).append(row)
        stale |= {line} if state == STALE else set()
    lines = [
        line_of(plan.table, *line, rows, is_stale=line in stale)
        for line, rows in groups.items()
    ]
    names, order = list(plan.table.rows), plan.table.groups
    return sorted(lines, key=lambda o: (order.index(o.group), names.index(o.name)))


def line_of(
    table: Table,
    name: str,
    differs: tuple[str, ...],
    rows: Sequence[TableRow],
    is_stale: bool = False,
) -> Line:
    """Returns the line of some rows of a name."""
    spec = table.rows[name]
    is_timed = not spec.needs_references
    return Line(
        name=name,
        title=spec.label,
        rows=rows,
        group=spec.group,
        model=spec.model,
        note=spec.note,
        paper=spec.paper,
        ours=table.model_of(spec).is_ours,
        is_timed=is_timed,
        is_system=is_timed and spec.group != ABLATIONS and not differs,
        is_stale=is_stale,
        differs=differs,
    )


def provenance(unit: Unit, row: TableRow) -> dict[str, str]:
    """Returns what a row was made with and measured on, as far as it is known."""
    inputs, text = row.get("inputs") or {}, row.get("text")
    taught = needs_teacher(unit) or unit.job.model.name == TEACHER
    parts = {
        "teacher": inputs.get("teacher") if taught else None,
        "human text": inputs.get("corpus"),
        f"{text} text": inputs.get("text"),
        f"processor ({row.get('device')})": row.get("processor"),
    }
    return {name: str(value) for name, value in parts.items() if value}


def usual_parts(
    made_from: Sequence[Mapping[str, str]], names: Sequence[str]
) -> dict[str, str]:
    """Returns of each part what most rows have, and of the teacher the baseline's."""
    values: dict[str, list[str]] = {}
    for parts in made_from:
        for part, value in parts.items():
            values.setdefault(part, []).append(value)
    usual = {part: max(known, key=known.count) for part, known in values.items()}
    for parts, name in zip(made_from, names, strict=True):
        if name == BEAM and TEACHER in parts:
            usual[TEACHER] = parts[TEACHER]
    return usual
