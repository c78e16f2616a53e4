"""Owns report.md: the table, the claims, who wins where; everything from the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from string import Formatter

from data_prep.lib.steps import UserError
from examples.lib.progress import say
from examples.paper_table.cells import (
    SAYS,
    clocks_table,
    differing_table,
    main_table,
    quality_table,
    stages_table,
    table_of,
)
from examples.paper_table.claims import NOT_MEASURED, judge
from examples.paper_table.entries import (
    BEAM,
    Entry,
    by_name,
    comparable,
    read_entries,
)
from examples.paper_table.length_plots import draw_lengths
from examples.paper_table.lengths import length_tables
from examples.paper_table.plan import TablePlan
from examples.paper_table.plots import draw_curves, draw_pareto
from examples.paper_table.rows import TableRow
from examples.paper_table.winners import winners
from vq_nat.results.clocks import crowded_clocks
from vq_nat.results.rows import at
from vq_nat.results.speed import TOLERANCE
from vq_nat.results.tables import distinct, meanings
from vq_nat.results.writing import write_text

REPORT = "report.md"
CALIBRATIONS = {"large products": "products_ms", "small operators": "operators_ms"}
SIGNATURES = {"chrF": "", "TER": "; the lower the better"}
OTHERS = "Made with another teacher, text or machine: not to be compared with the above"
IN_COMMON = (
    *("test_set", "sentences", "bleu_signature", "processor", "threads", "commit"),
)
PICTURES = {
    "pareto.png": draw_pareto,
    "lengths.png": draw_lengths,
    "curves.png": draw_curves,
}


def make_report(plan: TablePlan) -> Path:
    """Writes report.md and its pictures beside the rows.

    Raises:
        UserError: without rows.
    """
    entries = read_entries(plan)
    if not entries:
        raise UserError(f"{plan.rows} must hold a row of the table, but holds none.")
    return write_text(report(plan, entries, draw(plan, entries)), plan.rows / REPORT)


def draw(plan: TablePlan, entries: Sequence[Entry]) -> list[str]:
    """Draws the pictures, and names those that show something."""
    try:
        return [k for k, make in PICTURES.items() if make(entries, plan.rows / k)]
    except ImportError:
        say("The plots need matplotlib: `pip install -e '.[plots]'`, then --report.")
        return []


def report(plan: TablePlan, entries: Sequence[Entry], pictures: Sequence[str]) -> str:
    """Returns the whole page."""
    alike = [entry for entry in entries if not entry.differs]
    others = [entry for entry in entries if entry.differs]
    lines = [entry for entry in alike if entry.spec.group != "ablations"]
    ablations = [entry for entry in alike if entry.spec.group == "ablations"]
    paper = any(entry.spec.paper for entry in entries)
    parts = [
        f"# {plan.table.title}",
        "Written by `examples/paper_table/run.py` from the rows beside this page"
        + ("; the paper's figures are for WMT'14 English to German." if paper else "."),
        *grouped(lines, by_name(alike).get(BEAM)),
        section("Who wins where", winners(entries)),
        section("The paper's claims", claims(lines) if paper else ""),
        section("Ablations", quality_table(ablations)),
        section(OTHERS, differing_table(others)),
        section(
            "Codes",
            table_of("codes", entries, "validation", "bleu_true_codes", once=True),
        ),
        section("Length and repetitions", table_of("faults", lines, "repetition_rate")),
        section("By length", length_tables(lines)),
        section("Clocks: sentences per second", clocks_table(lines)),
        section("Clocks: words per second", clocks_table(lines, "words_per_s")),
        section("Where the time goes", stages_table(lines)),
        section(
            "Trainings", table_of("trainings", entries, "train_seconds", once=True)
        ),
        *(f"![{name}]({name})" for name in pictures),
        section("Notes", "\n".join(f"- {note}" for note in notes(plan, entries))),
    ]
    return "\n\n".join(part for part in parts if part)


def section(title: str, text: str) -> str:
    """Returns a part of the page, empty without a text."""
    return f"## {title}\n\n{text}" if text else ""


def grouped(entries: Sequence[Entry], base: Entry | None) -> Iterator[str]:
    """Yields a table for each group."""
    for group in dict.fromkeys(entry.spec.group for entry in entries):
        own = [entry for entry in entries if entry.spec.group == group]
        yield section(SAYS["groups"].get(group, group), main_table(own, base))


def claims(entries: Sequence[Entry]) -> str:
    """Returns the paper's claims and what the figures say of them.

    Those that nothing is known of come last, in one line.
    """
    found = judge(entries)
    lines = [
        f"- {claim.text}: **{claim.verdict}** – {claim.figures}."
        for claim in found
        if claim.verdict != NOT_MEASURED
    ]
    unknown = [
        claim.text + (f" ({claim.figures})" if claim.figures else "")
        for claim in found
        if claim.verdict == NOT_MEASURED
    ]
    if unknown:
        lines.append(f"- **{NOT_MEASURED.capitalize()}**: {'; '.join(unknown)}.")
    return "\n".join(lines)


# ---------------------------------------------------------------------------- the notes


def notes(plan: TablePlan, entries: Sequence[Entry]) -> Iterator[str]:
    """Yields what the figures depend on, and what is missing."""
    known = facts(plan, entries)
    for text in SAYS["notes"]:
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        if all(known[name] for name in names):
            yield text.format(**known)


def facts(plan: TablePlan, entries: Sequence[Entry]) -> dict[str, str]:
    """Returns all that a note may name; empty where there is nothing to tell."""
    rows = [row for entry in entries for row in entry.rows]

    def shared(*names: str) -> str:
        return distinct(at(row, *names) for row in rows)

    systems = [entry for entry in entries if entry.is_system]
    compared = {id(entry) for entry in comparable(entries)}
    states = [e.timed["calibration"] for e in systems if e.timed.get("calibration")]
    labels = " ".join(entry.label for entry in entries)
    missing = [name for name in plan.table.rows if name not in by_name(entries)]

    def quoted(wanted: Callable[[Entry], bool]) -> str:
        return ", ".join(e.quoted for e in systems if states and wanted(e))

    return {
        **{name: shared(name) for name in IN_COMMON},
        "corpus": plan.table.corpus["name"],
        "meanings": "\n- ".join(meanings(rows)),
        "signatures": " ".join(signatures(rows)),
        "includes": shared("latency_ms", "includes"),
        "versions": distinct(
            ", ".join(f"{name} {version}" for name, version in at(row, part).items())
            for part in ("versions", "engine_versions")
            for row in rows
            if at(row, part)
        ),
        "calibrations": ", ".join(
            f"{what} took {min(times):.1f} to {max(times):.1f} ms"
            for what, name in CALIBRATIONS.items()
            if (times := [at(state, name) for state in states])
        ),
        "tolerance": f"{TOLERANCE - 1:.0%}",
        "other_state": quoted(lambda entry: id(entry) not in compared),
        "crowded": quoted(lambda entry: bool(crowded_clocks(entry.timed))),
        "starting_points": starting_points(plan, entries),
        "missing": ", ".join(missing),
        "stale": "†" if any(entry.stale for entry in entries) else "",
        "changed": "‡" if "‡" in labels else "",
    }


def signatures(rows: Sequence[TableRow]) -> Iterator[str]:
    """Yields what chrF and TER are, of rows that know it."""
    for head, meaning in SIGNATURES.items():
        key = f"{head.lower()}_signature"
        if names := [at(row, key) for row in rows if at(row, key)]:
            yield f"{head}: `{distinct(names)}`{meaning}."


def starting_points(plan: TablePlan, entries: Sequence[Entry]) -> str:
    """Says which models start from the teacher."""
    # What a stale line started from is not known.
    models = dict.fromkeys(entry.spec.model for entry in entries if not entry.stale)
    names = [name for name in models if plan.table.models[name].starts_from_teacher]
    if not names:
        return "No model starts from the teacher's embeddings and layers."
    return (
        "Models that start from the teacher's embeddings and layers: "
        f"{', '.join(names)}; the others from nothing."
    )
