"""Owns report.md: the table, the claims, who wins where; everything from the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from string import Formatter

from data_prep.lib.options import read_yaml
from data_prep.lib.steps import UserError
from examples.lib.progress import say
from examples.paper_table.claims import claims_text
from examples.paper_table.lines import ABLATIONS, read_lines
from examples.paper_table.plan import TablePlan
from vq_nat.bench.lines_picture import draw_curves, draw_lengths, draw_pareto
from vq_nat.results import diagnosis
from vq_nat.results.clocks import crowded_clocks
from vq_nat.results.columns import Write, clocks_table, stages_table, table_of
from vq_nat.results.lengths import length_tables
from vq_nat.results.lines import BEAM, Line, by_name, comparable, speed_up
from vq_nat.results.reach import verdicts
from vq_nat.results.report import meanings, signatures, validation_notes
from vq_nat.results.rows import at
from vq_nat.results.speed import TOLERANCE
from vq_nat.results.tables import distinct, number, packages, times
from vq_nat.results.winners import winners
from vq_nat.writing import write_text

REPORT = "report.md"
SAYS = read_yaml(Path(__file__).with_name("report.yaml"))
CALIBRATIONS = {"large products": "products_ms", "small operators": "operators_ms"}
OTHERS = "Made with another teacher, text or machine: not to be compared with the above"
IN_COMMON = (
    *("test_set", "sentences", "bleu_signature", "processor", "threads", "commit"),
)
QUALITY = SAYS["tables"]["quality"]
DIFFERING = {  # these compare with nothing, and tell in what they differ
    "other": "differs",
    **{head: what for head, what in QUALITY.items() if head != "against greedy"},
    "ms/sentence (p90)": "latency",
}
CELLS: dict[str, Write] = {  # besides those that every table may have
    "paper.bleu": lambda line: number(line.paper.get("bleu")),
    "paper.speedup": lambda line: times(line.paper.get("speedup")),
}
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
    lines = read_lines(plan)
    if not lines:
        raise UserError(f"{plan.rows} must hold a row of the table, but holds none.")
    return write_text(report(plan, lines, draw(plan, lines)), plan.rows / REPORT)


def draw(plan: TablePlan, lines: Sequence[Line]) -> list[str]:
    """Draws the pictures, and names those that show something; no old one stays."""
    try:
        made = [k for k, make in PICTURES.items() if make(lines, plan.rows / k)]
        for name in PICTURES.keys() - made:
            (plan.rows / name).unlink(missing_ok=True)
        return made
    except ImportError:
        say("The plots need matplotlib: `pip install -e '.[plots]'`, then --report.")
        return []


def report(plan: TablePlan, lines: Sequence[Line], pictures: Sequence[str]) -> str:
    """Returns the whole page."""
    alike = [line for line in lines if not line.differs]
    others = [line for line in lines if line.differs]
    main = [line for line in alike if line.group != ABLATIONS]
    ablations = [line for line in alike if line.group == ABLATIONS]
    paper = any(line.paper for line in lines)
    source = "; the paper's figures are for WMT'14 English to German" if paper else ""
    trained, coded = "train_seconds", ("validation", "bleu_true_codes")
    sections = {
        **main_tables(main, by_name(alike).get(BEAM)),
        "Who wins where": winners(lines),
        "The paper's claims": claims_text(main) if paper else "",
        "Ablations": table_of(QUALITY, ablations, **CELLS),
        OTHERS: table_of(DIFFERING, others, **CELLS),
        "Where the loss is": diagnoses(lines),
        "Codes": table("codes", first_of_each_model(having(lines, *coded))),
        "Length and repetitions": table("faults", having(main, "repetition_rate")),
        "By length": by_length(main),
        "Clocks: sentences per second": clocks_table(main),
        "Clocks: words per second": clocks_table(main, "words_per_s"),
        "Where the time goes": stages_table(main),
        "Trainings": table("trainings", first_of_each_model(having(lines, trained))),
        "": "\n\n".join(f"![{name}]({name})" for name in pictures),
        "Notes": as_list(notes(plan, lines)),
    }
    return "\n\n".join(
        [
            f"# {plan.table.title}",
            "Written by `examples/paper_table/run.py` from the rows beside this page"
            f"{source}.",
            *(f"## {k}\n\n{v}" if k else v for k, v in sections.items() if v),
        ]
    )


def main_tables(lines: Sequence[Line], base: Line | None) -> dict[str, str]:
    """Returns quality and time of each group, ours and the paper's side by side."""

    def against_base(line: Line) -> str:
        return times(speed_up(base, line) if line.is_timed else None)

    declared = {**QUALITY, **SAYS["tables"]["times"]}
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(SAYS["groups"].get(line.group, line.group), []).append(line)
    return {
        title: table_of(declared, own, **CELLS, speed_up=against_base)
        for title, own in groups.items()
    }


def table(name: str, lines: Sequence[Line]) -> str:
    """Returns a table of report.yaml; empty without lines."""
    return table_of(SAYS["tables"][name], lines)


def having(lines: Sequence[Line], *figure: str) -> list[Line]:
    """Returns the lines that have a figure."""
    return [line for line in lines if line.values(*figure)]


def first_of_each_model(lines: Sequence[Line]) -> list[Line]:
    """Returns the lines whose model no line before has."""
    models = [line.model for line in lines]
    return [line for n, line in enumerate(lines) if line.model not in models[:n]]


def diagnoses(lines: Sequence[Line]) -> str:
    """Returns what predictor and decoder of each model lose that was asked about it."""
    return "\n\n".join(
        f"**{line.label}** (`{row['system']}`). {diagnosis.table(found)}"
        for line in lines
        for row in line.rows
        if (found := at(row, "diagnosis")) is not None
    )


def by_length(lines: Sequence[Line]) -> str:
    """Returns the tables of lengths, after the sentence about them."""
    return "\n\n".join(x for x in (as_list(verdicts(lines)), length_tables(lines)) if x)


def as_list(sentences: Iterable[str]) -> str:
    """Returns a list in Markdown."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


# ---------------------------------------------------------------------------- the notes


def notes(plan: TablePlan, lines: Sequence[Line]) -> Iterator[str]:
    """Yields what the figures depend on, and what is missing."""
    known = facts(plan, lines)
    for text in SAYS["notes"]:
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        if all(known[name] for name in names):
            yield text.format(**known)


def facts(plan: TablePlan, lines: Sequence[Line]) -> dict[str, str]:
    """Returns all that a note may name; empty where there is nothing to tell."""
    rows = [row for line in lines for row in line.rows]

    def shared(*names: str) -> str:
        return distinct(at(row, *names) for row in rows)

    systems = [line for line in lines if line.is_system]
    compared = {id(line) for line in comparable(lines)}
    states = [e.timed["calibration"] for e in systems if e.timed.get("calibration")]
    labels = " ".join(line.label for line in lines)
    missing = [name for name in plan.table.rows if name not in by_name(lines)]

    def quoted(wanted: Callable[[Line], bool]) -> str:
        return ", ".join(e.quoted for e in systems if states and wanted(e))

    return {
        **{name: shared(name) for name in IN_COMMON},
        "corpus": plan.table.corpus["name"],
        "meanings": "\n- ".join(meanings(rows)),
        "validation": " ".join(validation_notes(rows)),
        "signatures": " ".join(signatures(rows)),
        "includes": shared("latency_ms", "includes"),
        "versions": packages(rows, "versions", "engine_versions"),
        "calibrations": ", ".join(
            f"{what} took {min(spans):.1f} to {max(spans):.1f} ms"
            for what, name in CALIBRATIONS.items()
            if (spans := [at(state, name) for state in states])
        ),
        "tolerance": f"{TOLERANCE - 1:.0%}",
        "other_state": quoted(lambda line: id(line) not in compared),
        "crowded": quoted(lambda line: bool(crowded_clocks(line.timed))),
        "not_read": "; ".join(
            f"{line.quoted} {', '.join(names)}"
            for line in systems
            if (names := at(line.timed, "clocks_left_out"))
        ),
        "starting_points": starting_points(plan, lines),
        "missing": ", ".join(missing),
        "stale": "†" if any(line.is_stale for line in lines) else "",
        "changed": "‡" if "‡" in labels else "",
    }


def starting_points(plan: TablePlan, lines: Sequence[Line]) -> str:
    """Says which models start from the teacher, and which go on from another one."""
    # What a stale line started from is not known.
    models = dict.fromkeys(line.model for line in lines if not line.is_stale)
    known = [plan.table.models[name] for name in models]
    names = [one.name for one in known if one.starts_from_teacher]
    later = [f"{one.name} goes on from {one.start}" for one in known if one.start]
    first = (
        "Models that start from the teacher's embeddings and layers: "
        f"{', '.join(names)}"
        if names
        else "No model starts from the teacher's embeddings and layers"
    )
    rest = ["the others from nothing"] if names else []
    return "; ".join([first, *later, *rest]) + "."
