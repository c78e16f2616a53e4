"""Turns result rows into Markdown tables; no figure in a table is typed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from .rows import Pace, Row, at
from .speed import times_as_fast
from .writing import replacing

Line = TypeVar("Line")  # what a line of a table is about: a row of any type
Column = tuple[str, Callable[[Line], str]]  # head, and cell of a line

BEAM, GREEDY = "teacher-beam4", "teacher-greedy"
ORDER = (BEAM, GREEDY, "student", "student-raw")
NEEDED = ("system", "corpus", "test_set", "bleu", "chrf", "latency_ms")
NOTHING = "–"
BASELINE = (
    "Speed-ups are those of systems timed in turn, or on machines that did fixed "
    "pieces of work as fast as each other (within 10 %). They are against fairseq's "
    "own decoder, a PyTorch program that keeps keys and values in a cache; faster "
    "runtimes for autoregressive models exist (CTranslate2, for one); "
    "`examples/paper_table` measures them beside ours."
)
MEANINGS = {
    "correct": "Correct: the output is, letter by letter, one of the references.",
    "mixed": "Mixed: the output is none of the references, but begins like one and "
    "ends like another.",
}
SECTION = re.compile(
    r"(<!-- results:(?P<name>[\w.-]+) -->)(?P<old>.*?)(<!-- /results -->)", re.DOTALL
)


def load_rows(folder: Path) -> list[Row]:
    """Reads every row below a folder, ordered by corpus and system.

    Rows with a `kind` are those of other scripts, which make tables of their own.

    Raises:
        ValueError: if a file is not a result row.
    """
    found = [read_row(path) for path in folder.rglob("*.json")]
    rows = [row for row in found if "kind" not in row]
    return sorted(rows, key=lambda row: (row["corpus"], rank(row), row["system"]))


def read_row(path: Path) -> Row:
    """Reads one row.

    Raises:
        ValueError: if the file is not a result row.
    """
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        row = None
    row = row if isinstance(row, dict) else {}
    missing = [name for name in NEEDED if name not in row]
    if missing and "kind" not in row:
        raise ValueError(f"{path} must be a result row, but has no `{missing[0]}`.")
    return cast(Row, row)


def rank(row: Row) -> int:
    """Returns a system's place in the table."""
    return ORDER.index(row["system"]) if row["system"] in ORDER else len(ORDER)


# -------------------------------------------------------------------------- the tables


def main_table(rows: list[Row]) -> str:
    """Returns quality and time of every system, a table for each test set.

    Raises:
        ValueError: without rows.
    """
    if not rows:
        raise ValueError("`rows` must hold at least one, but is empty instead.")
    groups = by_test_set(rows)
    if len(groups) == 1:
        return comparison(rows)
    return "\n\n".join(f"**{name}**\n\n{comparison(groups[name])}" for name in groups)


def by_test_set(rows: list[Row]) -> dict[str, list[Row]]:
    """Groups rows that compare with each other."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"{row['corpus']}, {row['test_set']}", []).append(row)
    return groups


def comparison(rows: list[Row]) -> str:
    """Returns the table of one test set and the notes below it."""
    rows = sorted(rows, key=rank)
    by_name = {row["system"]: row for row in rows}
    beam, greedy = by_name.get(BEAM), by_name.get(GREEDY)
    columns: list[Column[Row]] = [
        ("system", label),
        ("BLEU", lambda row: number(row["bleu"])),
        ("chrF", lambda row: number(row["chrf"])),
    ]
    for name in MEANINGS:
        if any(at(row, name) is not None for row in rows):
            columns.append((name, share(name)))
    columns += [
        ("ms/sentence (p90)", latency),
        ("× beam 4", lambda row: speed_up(beam, row)),
        ("× greedy", lambda row: speed_up(greedy, row)),
        ("sentences/s", lambda row: number(at(row, "throughput", "sentences_per_s"))),
    ]
    notes = [*quality_notes(rows), *speed_notes(rows)]
    return markdown(columns, rows) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def share(name: str) -> Callable[[Row], str]:
    """Returns what writes a share in per cent."""
    return lambda row: percent(at(row, name))


def latent_table(rows: list[Row]) -> str:
    """Returns what the log of the latent systems says; empty if there is none."""
    latent = [row for row in sorted(rows, key=rank) if words_per_code(row)]
    if not latent:
        return ""

    def valid(name: str) -> Callable[[Row], Any]:
        return lambda row: at(row, "validation", name)

    bleu, true_bleu = valid("bleu"), valid("bleu_true_codes")
    accuracy, entropy = valid("code_accuracy"), valid("posterior_entropy")
    perplexity = valid("perplexity")
    columns: list[Column[Row]] = [
        ("latent system", label),
        ("words per code", lambda row: str(words_per_code(row))),
        ("codes", lambda row: str(row.get("codebook_size") or NOTHING)),
        ("samples", lambda row: text_or_nothing(row.get("n_s"))),
        ("valid BLEU (one reference)", lambda row: number(bleu(row))),
        ("with true codes", lambda row: number(true_bleu(row))),
        ("code accuracy", lambda row: percent(accuracy(row))),
        ("perplexity", lambda row: number(perplexity(row), 0)),
        ("posterior entropy", lambda row: number(entropy(row), 2)),
        ("repeated words", lambda row: percent(row.get("repetition_rate"))),
        ("broken words", lambda row: percent(row.get("broken_words"), 2)),
        ("length ratio", lambda row: number(row.get("length_ratio"), 2)),
    ]
    return markdown(columns, latent)


def words_per_code(row: Row) -> int | None:
    """Returns how many words a code stands for; None without codes."""
    halvings = row.get("n_c")
    return row.get("words_per_code") if halvings is None else 2**halvings


def training_table(rows: list[Row]) -> str:
    """Returns size and effort of every training that has a log; empty if none has."""
    trained: list[Row] = [
        {**row, "label": "autoregressive teacher"} if row["system"] == BEAM else row
        for row in sorted(rows, key=rank)
        if row.get("updates") and row["system"] != GREEDY  # the same as with a beam
    ]
    if not trained:
        return ""
    columns: list[Column[Row]] = [
        ("training", label),
        ("parameters", lambda row: f"{row['parameters'] / 1e6:.2f} M"),
        ("updates", lambda row: str(row["updates"])),
        ("minutes", lambda row: number((row["train_seconds"] or 0) / 60)),
        ("seed", lambda row: text_or_nothing(row.get("seed"))),
    ]
    return markdown(columns, trained)


def full_report(rows: list[Row]) -> str:
    """Returns all tables: the comparison, the latents, the trainings."""
    tables = (main_table(rows), latent_table(rows), training_table(rows))
    return "\n\n".join(table for table in tables if table)


# --------------------------------------------------------------------------- the notes


def quality_notes(rows: list[Row]) -> list[str]:
    """Says what was scored, and how."""
    first = rows[0]
    test = f"Test set: {first['test_set']} of {first['corpus']}"
    if first.get("sentences"):
        test += f", {first['sentences']} sentences"
    notes = [f"{test}. BLEU: `{shared(rows, 'bleu_signature')}`."]
    return notes + meanings(rows)


def meanings(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Says what the figures mean that only some corpora have."""
    known = list(rows)
    return [
        meaning
        for name, meaning in MEANINGS.items()
        if any(row.get(name) is not None for row in known)
    ]


def speed_notes(rows: list[Row]) -> list[str]:
    """Says what was timed, on what, and against what."""
    includes = distinct(at(row, "latency_ms", "includes") for row in rows)
    batch = distinct(at(row, "throughput", "batch_size") for row in rows)
    versions = distinct(
        ", ".join(f"{k} {v}" for k, v in row.get("versions", {}).items())
        for row in rows
    )
    return [
        f"ms/sentence: one sentence at a time, median and 90th percentile; {includes}. "
        f"sentences/s: batches of {batch}.",
        f"On {shared(rows, 'processor')}, {shared(rows, 'threads')} thread(s), "
        f"{shared(rows, 'dtype')}; {versions}; commit {shared(rows, 'commit')}.",
        BASELINE,
    ]


def shared(rows: Iterable[Mapping[str, object]], name: str) -> str:
    """Returns what all rows say of something; if they differ, all they say."""
    return distinct(row.get(name) for row in rows)


def distinct(values: Iterable[Any]) -> str:
    """Joins the different values in order."""
    known = dict.fromkeys(str(value) for value in values if value not in (None, ""))
    return " / ".join(known) or "unknown"


# -------------------------------------------------------------------------- the README


def update_readme(path: Path, rows: list[Row]) -> bool:
    """Replaces what stands between `<!-- results:NAME -->` and `<!-- /results -->`.

    NAME is a corpus; a section without rows stays as it is.

    Args:
        path: a Markdown file.
        rows: of any corpora.

    Returns:
        Whether the file has changed.

    Raises:
        ValueError: if the file has no such section, or one that does not end.
    """
    text = path.read_text(encoding="utf-8")
    check_sections(path, text)

    def replace(section: re.Match[str]) -> str:
        own = [row for row in rows if row["corpus"] == section["name"]]
        body = f"\n{full_report(own)}\n" if own else section["old"]
        return section[1] + body + section[4]

    updated = SECTION.sub(replace, text)
    if updated != text:
        with replacing(path) as temporary:
            temporary.write_text(updated, encoding="utf-8")
    return updated != text


def check_sections(path: Path, text: str) -> None:
    """Refuses a file whose markers do not make sections.

    Raises:
        ValueError: if the file has no such section, or one that does not end.
    """
    opened, sections = text.count("<!-- results:"), len(SECTION.findall(text))
    closed = text.count("<!-- /results -->")
    if not sections or not opened == sections == closed:
        raise ValueError(
            f"{path} must have a `<!-- /results -->` for every `<!-- results:NAME -->` "
            f"and at least one pair, but has {opened} of the one and {closed} of the "
            "other instead."
        )


# --------------------------------------------------------------------------- the cells


def markdown(columns: Sequence[Column[Line]], rows: Iterable[Line]) -> str:
    """Returns a Markdown table, the first column to the left."""
    heads = [head for head, _ in columns]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None, digits: int = 1) -> str:
    """Writes a figure, or that there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Writes a share."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def text_or_nothing(value: object) -> str:
    """Writes anything, or that there is none."""
    return NOTHING if value is None else str(value)


def label(row: Row) -> str:
    """Writes a system's name for readers."""
    return str(row.get("label") or row["system"])


def latency(row: Pace) -> str:
    """Writes median and 90th percentile."""
    return f"{row['latency_ms']['median']:.1f} ({row['latency_ms']['p90']:.1f})"


def speed_up(baseline: Row | None, row: Row) -> str:
    """Writes how many times as fast as the baseline a system is, if that is known."""
    ratio = None if baseline is None else times_as_fast(baseline, row)
    return NOTHING if ratio is None else f"{ratio:.2f}×"
