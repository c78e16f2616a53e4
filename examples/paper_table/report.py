"""Owns report.md: the table, the claims, who wins where; everything from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.lib.steps import UserError
from examples.lib.progress import say
from examples.paper_table.cells import (
    clocks_table,
    faults_table,
    latent_table,
    main_table,
    quality_table,
    stages_table,
    training_table,
)
from examples.paper_table.claims import BEAM, NOT_MEASURED, judge
from examples.paper_table.config import TEACHER
from examples.paper_table.entries import Entry, Row, by_name, read_entries
from examples.paper_table.plan import TablePlan, needs_teacher, units_of
from examples.paper_table.plots import draw_curves, draw_pareto
from examples.paper_table.winners import comparable, is_system, winners
from vq_nat.results.rows import write_text
from vq_nat.results.tables import at, distinct, meanings

REPORT = "report.md"
CALIBRATION = {"large products": "products_ms", "small operators": "operators_ms"}
PARETO, CURVES = "pareto.png", "curves.png"
TITLES = {
    "teacher": "The teacher",
    "fairseq-nat": "Non-autoregressive Transformer (fairseq's)",
    "bottlenecks": "Other bottlenecks in our architecture",
    "vqvae": "Vector quantisation",
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
    lines = [entry for entry in entries if entry.spec.group != "ablations"]
    ablations = [entry for entry in entries if entry.spec.group == "ablations"]
    base = by_name(entries).get(BEAM)
    paper = any(entry.spec.paper for entry in entries)
    parts = [
        f"# {plan.table.title}",
        "Written by `examples/paper_table/run.py` from the rows beside this page"
        + ("; the paper's figures are for WMT'14 English to German." if paper else "."),
        *grouped(lines, base),
        section("Who wins where", winners(entries)),
        section("The paper's claims", claims(lines) if paper else ""),
        section("Ablations", quality_table(ablations) if ablations else ""),
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
        return distinct(at(dict(row), *names) for row in rows)

    versions = distinct(
        ", ".join(f"{name} {version}" for name, version in row[part].items())
        for part in ("versions", "engine_versions")
        for row in rows
        if row.get(part)
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
        f"{shared('commit')}. Speeds are set in relation on the same machine only.",
        *calibrations(rows),
        "Against greedy: difference of BLEU to the teacher's greedy output, with the "
        "p-value (of several seeds the largest) of a paired bootstrap of 1,000 "
        "resamples.",
        "Minutes of a training are those of its process; several may have run side by "
        "side.",
        starting_points(plan, entries),
        *other_machines(entries),
        *other_teachers(plan, entries),
        *other_texts(entries),
    ]
    missing = [name for name in plan.table.rows if name not in by_name(entries)]
    if missing:
        found.append(f"Not measured yet: {', '.join(missing)}.")
    if any(entry.stale for entry in entries):
        found.append(
            "†: of another configuration, teacher or corpus; `--stale` makes such rows "
            "anew."
        )
    return found


def signatures(rows: Sequence[Row]) -> list[str]:
    """Says what chrF and TER are, of rows that know it."""
    found = [
        f"{head}: `{distinct(names)}`{meaning}."
        for head, key, meaning in (
            ("chrF", "chrf_signature", ""),
            ("TER", "ter_signature", "; the lower the better"),
        )
        if (names := [row[key] for row in rows if row.get(key)])
    ]
    return [" ".join(found)] if found else []


def calibrations(rows: Sequence[Row]) -> list[str]:
    """Says how alike the machines of the rows were, of rows that know it."""
    known = [row["calibration"] for row in rows if row.get("calibration")]
    if not known:
        return []
    ranges = [
        f"{what} took {min(times):.1f} to {max(times):.1f} ms"
        for what, name in CALIBRATION.items()
        if (times := [one[name] for one in known])
    ]
    others = len(rows) - len(known)
    return [
        f"Beside the measurements, fixed pieces of work: {', '.join(ranges)}"
        + (f" ({others} older rows did not ask)." if others else ".")
    ]


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


def other_machines(entries: Sequence[Entry]) -> list[str]:
    """Names the lines whose times do not compare with those of most."""
    known = {entry.name for entry in comparable(entries)}
    left = [e.quoted for e in entries if is_system(e) and e.name not in known]
    if not left:
        return []
    return [
        "Timed on another machine than most, or with other threads, and so left out of "
        f"the comparison and the plot: {', '.join(left)}."
    ]


def other_teachers(plan: TablePlan, entries: Sequence[Entry]) -> list[str]:
    """Names the lines that were made with another teacher than the first."""
    found = [(entry, teachers(plan, entry)) for entry in entries]
    known = [(entry, hashes) for entry, hashes in found if hashes]
    others = [entry.quoted for entry, hashes in known if hashes != known[0][1]]
    if not others:
        return []
    first = known[0][0].quoted
    return [f"Made with another teacher than {first}: {', '.join(others)}."]


def other_texts(entries: Sequence[Entry]) -> list[str]:
    """Names the lines whose text is not the one that most have under its name."""
    texts: dict[str, list[str]] = {}
    for entry in entries:
        for row in entry.rows:
            of_row = at(dict(row), "inputs", "text")
            texts.setdefault(row["text"], []).extend([of_row] if of_row else [])
    usual = {k: max(v, key=v.count) for k, v in texts.items() if v}
    others = [
        entry.quoted
        for entry in entries
        if any(
            at(dict(row), "inputs", "text") not in (None, usual.get(row["text"]))
            for row in entry.rows
        )
    ]
    if not others:
        return []
    return [
        "Trained on another version of its text than most, so that differences to them "
        f"are not of the model alone: {', '.join(others)}."
    ]


def teachers(plan: TablePlan, entry: Entry) -> set[str]:
    """Returns the hashes of the teachers that a line's rows depend on."""
    units = units_of(replace(plan, seeds=()), (entry.name,))
    if entry.spec.model != TEACHER and not any(map(needs_teacher, units)):
        return set()
    found = (at(dict(row), "inputs", TEACHER) for row in entry.rows)
    return {name for name in found if name is not None}
