"""Owns report.md: the table, the claims, who wins where; everything from the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quickstart_plan import say
from steps import PrepError, write_text_atomically
from table_claims import BEAM, NOT_MEASURED, judge
from table_entries import Entry, by_name, read_entries, speed_up, with_spread
from table_plan import TablePlan
from table_plots import draw_curves, draw_pareto
from table_winners import winners

from vq_nat.bench.report import NOTHING, Column, at, distinct, markdown, number, percent

REPORT = "report.md"
PARETO, CURVES = "pareto.png", "curves.png"
TITLES = {
    "teacher": "The teacher",
    "nat": "Non-autoregressive Transformer (fairseq's)",
    "bottlenecks": "Other bottlenecks in our architecture",
    "vq": "Vector quantisation",
    "extras": "What the paper does not have",
    "ctranslate2": "The same autoregressive models in CTranslate2",
    "ablations": "Ablations",
}
STAGES = ("encode", "predict", "decode", "host")


def make_report(plan: TablePlan) -> Path:
    """Writes report.md and its pictures beside the rows.

    Raises:
        PrepError: without rows.
    """
    entries = read_entries(plan)
    if not entries:
        raise PrepError(f"{plan.rows} must hold a row of the table, but holds none.")
    pictures = draw(plan, entries)
    path = plan.rows / REPORT
    write_text_atomically(path, report(plan, entries, pictures))
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
    parts = [
        f"# The paper's table on {plan.table.name}",
        "Written by `examples/paper_table/run.py` from the rows beside this page; the "
        "paper's figures are for WMT'14 English to German.",
        *grouped(lines, base),
        section("Who wins where", winners(entries)),
        section("The paper's claims", claims(lines)),
        section("Ablations", main_table(ablations, base) if ablations else ""),
        section("Codes", latent_table(entries)),
        section("Where the time goes", stages_table(lines)),
        section("Trainings", training_table(entries)),
        *(f"![{name}]({name})" for name in pictures),
        section("Notes", "\n".join(f"- {note}" for note in notes(plan, entries))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


# ------------------------------------------------------------------------------- tables


def table_of(
    entries: Sequence[Entry], columns: Sequence[tuple[str, Callable[[Entry], str]]]
) -> str:
    """Returns a Markdown table of lines."""

    def cell_of(write: Callable[[Entry], str]) -> Callable[[dict[str, Any]], str]:
        return lambda row: write(row["entry"])

    known: list[Column] = [(head, cell_of(write)) for head, write in columns]
    return markdown(known, [{"entry": entry} for entry in entries])


def main_table(entries: Sequence[Entry], base: Entry | None) -> str:
    """Returns quality and time, ours and the paper's side by side."""
    columns: list[tuple[str, Callable[[Entry], str]]] = [
        ("system", label),
        ("BLEU", lambda e: with_spread(e.values("bleu"), one_digit)),
    ]
    for name in other_test_sets(entries):
        columns.append((f"BLEU {name}", other_bleu(name)))
    columns += [
        ("paper's", lambda e: number(e.spec.paper.get("bleu"))),
        ("chrF", lambda e: number(e.mean("chrf"))),
        ("TER", lambda e: number(e.mean("ter"))),
    ]
    if any(entry.values("correct") for entry in entries):
        columns.append(("correct", lambda e: percent(e.mean("correct"))))
    columns += [
        ("ms/sentence (p90)", latency),
        ("× beam 4", lambda e: times(speed_up(base, e))),
        ("paper's", lambda e: times(e.spec.paper.get("speedup"))),
        ("sentences/s (batch)", throughput),
    ]
    return table_of(entries, columns)


def label(entry: Entry) -> str:
    """Writes a line's name, its note, and whether its rows are of old."""
    note = f" ({entry.spec.note})" if entry.spec.note else ""
    return f"{entry.label}{note}{' †' if entry.stale else ''}"


def other_test_sets(entries: Sequence[Entry]) -> list[str]:
    """Lists the test sets besides the main one."""
    names = (
        name
        for entry in entries
        for row in entry.rows
        for name in row.get("other_test_sets") or {}
    )
    return list(dict.fromkeys(names))


def other_bleu(name: str) -> Callable[[Entry], str]:
    """Returns what writes the BLEU on another test set."""
    return lambda e: with_spread(e.values("other_test_sets", name, "bleu"), one_digit)


def one_digit(value: float) -> str:
    """Writes a score."""
    return f"{value:.1f}"


def times(ratio: float | None) -> str:
    """Writes a speed-up."""
    return NOTHING if ratio is None else f"{ratio:.2f}×"


def latency(entry: Entry) -> str:
    """Writes median and 90th percentile."""
    return f"{entry.latency:.1f} ({number(entry.mean('latency_ms', 'p90'))})"


def throughput(entry: Entry) -> str:
    """Writes the rate at the best batch size."""
    best = entry.best_speed
    return f"{best.sentences_per_s:.0f} ({best.batch_size})"


def claims(entries: Sequence[Entry]) -> str:
    """Returns the paper's claims and what the figures say of them."""
    found = judge(entries)
    return "\n".join(
        f"- {claim.text}: **{claim.verdict}**"
        + (f" – {claim.figures}." if claim.figures else ".")
        for claim in sorted(found, key=lambda claim: claim.verdict == NOT_MEASURED)
    )


def latent_table(entries: Sequence[Entry]) -> str:
    """Returns what validation says of the codes, empty without latent systems."""
    latent = [e for e in entries if e.values("validation", "bleu_true_codes")]
    if not latent:
        return ""

    def valid(name: str, write: Callable[[float | None], str]) -> Any:
        return lambda entry: write(entry.mean("validation", name))

    return table_of(
        unique_models(latent),
        [
            ("latent model", label),
            ("n_c", lambda e: first(e, "n_c")),
            ("codes", lambda e: first(e, "codebook_size")),
            ("valid BLEU", valid("bleu", number)),
            ("with true codes", valid("bleu_true_codes", number)),
            ("code accuracy", valid("code_accuracy", percent)),
            ("perplexity", valid("perplexity", number)),
            ("posterior entropy", lambda e: number(entropy(e), 2)),
            ("repeated words", lambda e: percent(e.mean("repetition_rate"))),
            ("length ratio", lambda e: number(e.mean("length_ratio"), 2)),
        ],
    )


def entropy(entry: Entry) -> float | None:
    """Returns how undecided the E-step is, in nats."""
    return entry.mean("validation", "posterior_entropy")


def first(entry: Entry, name: str) -> str:
    """Writes what all seeds have in common."""
    value = entry.rows[0].get(name)
    return NOTHING if value is None else str(value)


def unique_models(entries: Sequence[Entry]) -> list[Entry]:
    """Keeps the first line of every model."""
    return list({entry.spec.model: entry for entry in reversed(entries)}.values())[::-1]


def stages_table(entries: Sequence[Entry]) -> str:
    """Returns the milliseconds of each stage at batch 1, empty if not measured."""
    known = [entry for entry in entries if entry.rows[0].get("stages_ms")]
    if not known:
        return ""
    names = dict.fromkeys(
        name
        for entry in known
        for name, value in entry.rows[0]["stages_ms"].items()
        if isinstance(value, int | float)
    )

    def stage(name: str) -> Callable[[Entry], str]:
        return lambda entry: number(entry.mean("stages_ms", name), 2)

    columns = [(name, stage(name)) for name in names]
    table = table_of(known, [("ms/sentence at batch 1", label), *columns])
    return table


def training_table(entries: Sequence[Entry]) -> str:
    """Returns size and effort of every training."""
    trained = [entry for entry in entries if entry.values("train_seconds")]
    if not trained:
        return ""
    return table_of(
        unique_models(trained),
        [
            ("training", lambda e: e.spec.model),
            ("text", lambda e: first(e, "text")),
            ("parameters", parameters),
            ("updates", lambda e: first(e, "updates")),
            ("minutes", minutes),
            ("seeds", lambda e: ", ".join(str(row.get("seed")) for row in e.rows)),
        ],
    )


def parameters(entry: Entry) -> str:
    """Writes the number of parameters."""
    count = entry.mean("parameters")
    return NOTHING if count is None else f"{count / 1e6:.2f} M"


def minutes(entry: Entry) -> str:
    """Writes the time of a training."""
    seconds = entry.mean("train_seconds")
    return NOTHING if seconds is None else number(seconds / 60)


# -------------------------------------------------------------------------------- notes


def notes(plan: TablePlan, entries: Sequence[Entry]) -> list[str]:
    """Says what the figures depend on, and what is missing."""
    rows = [row for entry in entries for row in entry.rows]

    def shared(*names: str) -> str:
        return distinct(at(dict(row), *names) for row in rows)

    versions = distinct(
        ", ".join(f"{k} {v}" for k, v in row.get("versions", {}).items())
        for row in rows
    )
    found = [
        f"Test set: {shared('test_set')} of {plan.table.name}, {shared('sentences')} "
        f"sentences. BLEU: `{shared('bleu_signature')}`. Several seeds: mean (range).",
        f"ms/sentence: one sentence at a time, median and 90th percentile; "
        f"{shared('latency_ms', 'includes')}. sentences/s: at the best of the measured "
        "batch sizes.",
        f"On {shared('processor')}, {shared('threads')} thread(s); {versions}; commit "
        f"{shared('commit')}. Speeds are set in relation on the same machine only.",
        "Our latent models and their ablations start from the teacher's embeddings and "
        "layers unless their name says otherwise; fairseq's parallel models start from "
        "nothing.",
    ]
    missing = [name for name in plan.table.rows if name not in by_name(entries)]
    if missing:
        found.append(f"Not measured yet: {', '.join(missing)}.")
    if any(entry.stale for entry in entries):
        found.append("†: of an older configuration; `--stale` makes such rows anew.")
    return found
