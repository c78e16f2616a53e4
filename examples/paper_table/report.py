"""Owns report.md: the table, the claims, who wins where; everything from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.lib.steps import UserError
from examples.lib.progress import say
from examples.paper_table.cells import (
    clocks_table,
    differing_table,
    faults_table,
    latent_table,
    main_table,
    quality_table,
    stages_table,
    training_table,
)
from examples.paper_table.claims import NOT_MEASURED, judge
from examples.paper_table.entries import (
    BEAM,
    Entry,
    by_name,
    comparable,
    read_entries,
)
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
OTHERS = "Made with another teacher, text or machine: not to be compared with the above"
PARETO, CURVES = "pareto.png", "curves.png"
TITLES = {
    "teacher": "The teacher",
    "fairseq-nat": "Non-autoregressive Transformer (fairseq's)",
    "bottlenecks": "Other bottlenecks in our architecture",
    "vqvae": "Vector quantisation",
    "words": "Words as codes",
    "engine": "Ours, and the same autoregressive models, in our engine",
    "onnx": "Ours in ONNX Runtime",
    "extras": "What the paper does not have",
    "ctranslate2": "The same autoregressive models in CTranslate2",
    "ablations": "Ablations",
    "distillation": "With and without distillation",
}


def make_report(plan: TablePlan) -> Path:
    """Writes report.md and its pictures beside the rows.

    Raises:
        UserError: without rows.
    """
    entries = read_entries(plan)
    if not entries:
        raise UserError(f"{plan.rows} must hold a row of the table, but holds none.")
    pictures = draw(plan, entries)
    path = plan.rows / REPORT
    write_text(report(plan, entries, pictures), path)
    return path


def draw(plan: TablePlan, entries: Sequence[Entry]) -> list[str]:
    """Draws the pictures; none without matplotlib."""
    try:
        drawn = [
            (PARETO, draw_pareto(entries, plan.rows / PARETO)),
            (CURVES, draw_curves(entries, plan.rows / CURVES)),
        ]
    except ImportError:
        say("The plots need matplotlib: `pip install -e '.[plots]'`, then --report.")
        return []
    return [name for name, has_content in drawn if has_content]


def report(plan: TablePlan, entries: Sequence[Entry], pictures: Sequence[str]) -> str:
    """Returns the whole page."""
    alike = [entry for entry in entries if not entry.differs]
    others = [entry for entry in entries if entry.differs]
    lines = [entry for entry in alike if entry.spec.group != "ablations"]
    ablations = [entry for entry in alike if entry.spec.group == "ablations"]
    base = by_name(alike).get(BEAM)
    paper = any(entry.spec.paper for entry in entries)
    parts = [
        f"# {plan.table.title}",
        "Written by `examples/paper_table/run.py` from the rows beside this page"
        + ("; the paper's figures are for WMT'14 English to German." if paper else "."),
        *grouped(lines, base),
        section("Who wins where", winners(entries)),
        section("The paper's claims", claims(lines) if paper else ""),
        section("Ablations", quality_table(ablations) if ablations else ""),
        section(OTHERS, differing_table(others)),
        section("Codes", latent_table(entries)),
        section("Length and repetitions", faults_table(lines)),
        section("Clocks: sentences per second", clocks_table(lines)),
        section("Clocks: words per second", clocks_table(lines, "words_per_s")),
        section("Where the time goes", stages_table(lines)),
        section("Trainings", training_table(entries)),
        *(f"![{name}]({name})" for name in pictures),
        section("Notes", "\n".join(f"- {note}" for note in notes(plan, entries))),
    ]
    return "\n\n".join(part for part in parts if part)


def section(title: str, text: str) -> str:
    """Returns text under a title; nothing without text."""
    return f"## {title}\n\n{text}" if text else ""


def grouped(entries: Sequence[Entry], base: Entry | None) -> list[str]:
    """Returns a table for each group."""
    groups = dict.fromkeys(entry.spec.group for entry in entries)
    return [
        section(
            TITLES.get(group, group),
            main_table([e for e in entries if e.spec.group == group], base),
        )
        for group in groups
    ]


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


def notes(plan: TablePlan, entries: Sequence[Entry]) -> list[str]:
    """Says what the figures depend on, and what is missing."""
    rows = [row for entry in entries for row in entry.rows]

    def shared(*names: str) -> str:
        return distinct(at(row, *names) for row in rows)

    versions = distinct(
        ", ".join(f"{name} {version}" for name, version in at(row, part).items())
        for part in ("versions", "engine_versions")
        for row in rows
        if at(row, part)
    )
    found = [
        f"Test set: {shared('test_set')} of {plan.table.corpus['name']}, "
        f"{shared('sentences')} "
        f"sentences. BLEU: `{shared('bleu_signature')}`. Several seeds: mean (range).",
        *meanings(rows),
        *signatures(rows),
        f"ms/sentence: one sentence at a time, median and 90th percentile; "
        f"{shared('latency_ms', 'includes')}. sentences/s: at the best of the measured "
        "batch sizes. The largest batch is found by doubling, until that gains less "
        "than 2 % or memory ends. Of several seeds, times are those of the first.",
        f"On {shared('processor')}, {shared('threads')} thread(s); {versions}; commit "
        f"{shared('commit')}.",
        *conditions(entries),
        "Against greedy: difference of BLEU to the teacher's greedy output, with the "
        "p-value (of several seeds the largest) of a paired bootstrap of 1,000 "
        "resamples.",
        "Minutes of a training are those of its process; several may have run side by "
        "side.",
        starting_points(plan, entries),
    ]
    missing = [name for name in plan.table.rows if name not in by_name(entries)]
    if missing:
        found.append(f"Not measured yet: {', '.join(missing)}.")
    if any(entry.stale for entry in entries):
        found.append(
            "†: of another configuration, teacher or corpus; `--stale` makes such rows "
            "anew."
        )
    if any("‡" in entry.label for entry in entries):
        found.append("‡: measured with code that was not committed.")
    return found


def signatures(rows: Sequence[TableRow]) -> list[str]:
    """Says what chrF and TER are, of rows that know it."""
    found = [
        f"{head}: `{distinct(names)}`{meaning}."
        for head, key, meaning in (
            ("chrF", "chrf_signature", ""),
            ("TER", "ter_signature", "; the lower the better"),
        )
        if (names := [at(row, key) for row in rows if at(row, key)])
    ]
    return [" ".join(found)] if found else []


def conditions(entries: Sequence[Entry]) -> list[str]:
    """Says how alike the machines of the rows were, and which times do not compare."""
    systems = [entry for entry in entries if entry.is_system]
    rows = [
        entry.timed["calibration"]
        for entry in systems
        if entry.timed.get("calibration")
    ]
    if not rows:
        return []
    ranges = [
        f"{what} took {min(times):.1f} to {max(times):.1f} ms"
        for what, name in CALIBRATIONS.items()
        if (times := [at(one, name) for one in rows])
    ]
    found = [
        f"Fixed pieces of work beside the measurements: {', '.join(ranges)}. Times are "
        f"compared where these differ by no more than {TOLERANCE - 1:.0%}, or where "
        "two systems were timed in turn, sentence by sentence."
    ]
    known = {id(entry) for entry in comparable(entries)}
    left = [entry.quoted for entry in systems if id(entry) not in known]
    if left:
        found.append(
            "Left out of the comparisons and plots of time, as the machine was in "
            f"another state: {', '.join(left)}."
        )
    crowded = [entry.quoted for entry in systems if crowded_clocks(entry.timed)]
    if crowded:
        found.append(
            "Clocks of several threads that are slower than on one are left out: "
            f"others used the cores. Of {', '.join(crowded)}."
        )
    return found


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
