"""Turns measured rows into a report; no figure in a table is typed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from ..files import read_json
from ..writing import replacing
from .checking import read_checked
from .columns import table_of, words_per_code
from .lines import BEAM, CTRANSLATE2, GREEDY, Line, by_name, speed_up
from .rows import Row, at
from .tables import distinct, made_on, mean_and_range, percent, shared, times

WHAT = "a result row"
ORDER = (BEAM, GREEDY, "student", "student-raw")  # then others, as they are called
SPEED_UPS = (
    "Speed-ups are those of systems timed in turn, or on machines that did fixed "
    "pieces of work as fast as each other (within 10 %)."
)
OF_FAIRSEQ = (
    "× beam 4 and × greedy are against fairseq's own decoder, a PyTorch program that "
    "keeps keys and values in a cache"
)
NO_RUNTIME = (
    "faster runtimes for autoregressive models exist (CTranslate2, for one); "
    "`examples/paper_table` measures them beside ours."
)
OF_RUNTIME = "× CTranslate2 is against the teacher's greedy search there."
MEANINGS = {
    "correct": "Correct: the output is, letter by letter, one of the references.",
    "mixed": "Mixed: the output is none of the references, but begins like one and "
    "ends like another.",
}
OF_BEST = (
    "Valid BLEU, with true codes as well, code accuracy, perplexity and posterior "
    "entropy are those of the training's best checkpoint; what is scored and timed may "
    "be its last one, or a mean of several."
)
SIGNATURES = {"chrF": "", "TER": "; the lower the better"}
SEED = re.compile(r"-seed\d+$")
SECTION = re.compile(
    r"(<!-- results:(?P<name>[\w.-]+) -->)(?P<old>.*?)(<!-- /results -->)", re.DOTALL
)
COMPARED = {  # heads and cells, see `columns`
    "system": "title",
    "BLEU": "bleu mean",
    "chrF": "chrf mean",
    "correct?": "correct percent",
    "mixed?": "mixed percent",
    "ms/sentence (p90)": "latency",
    "× beam 4": "beam",
    "× greedy": "greedy",
    "× CTranslate2?": "runtime",
    "sentences/s": "throughput.sentences_per_s mean",
}
LATENT = {
    "latent system": "title",
    "words per code": "words_per_code",
    "codes": "codebook_size text",
    "samples": "n_s text",
    "valid BLEU (one reference)": "validation.bleu mean",
    "with true codes": "validation.bleu_true_codes mean",
    "code accuracy": "validation.code_accuracy percent",
    "perplexity": "validation.perplexity mean0",
    "posterior entropy": "validation.posterior_entropy mean2",
    "repeated words": "repetition_rate percent",
    "broken words": "broken_words percent2",
    "length ratio": "length_ratio mean2",
}
TRAINING = ("seed", "updates", "train_seconds", "train_gpu", "validation")  # one log's
TRAINED = {
    "training": "title",
    "parameters": "parameters millions",
    "updates": "updates text",
    "minutes": "train_seconds minutes",
    "seed": "seed text",
}


def load_rows(folder: Path) -> list[Row]:
    """Reads every row below a folder, ordered by corpus and system.

    Rows with a `kind` are those of other scripts, which make tables of their own.

    Raises:
        ValueError: if a file is not a result row.
    """
    all_rows = [read_row(path) for path in folder.rglob("*.json")]
    rows = [row for row in all_rows if "kind" not in row]
    return sorted(rows, key=lambda row: (row["corpus"], rank(row), row["system"]))


def read_row(path: Path, whole: bool = True) -> Row:
    """Reads one row.

    Args:
        path: of the file.
        whole: whether all must be there that a table needs.

    Raises:
        BadFile: if the file is not a result row.
    """
    row = read_json(path, WHAT)
    return cast(Row, row) if "kind" in row else read_checked(path, WHAT, Row, whole)


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


def line_of(row: Row) -> Line:
    """Returns the line of a row that stands alone."""
    return Line(row["system"], str(row.get("label") or row["system"]), [row])


def comparison(rows: list[Row]) -> str:
    """Returns the table of one test set and the notes below it."""
    rows = sorted(rows, key=rank)
    lines = [line_of(row) for row in rows]
    known = by_name(lines)
    beam, greedy, runtime = (known.get(name) for name in (BEAM, GREEDY, CTRANSLATE2))
    told = [*quality_notes(rows), *spreads(rows), *speed_notes(rows)]
    notes = "\n".join(f"- {note}" for note in told)
    table = table_of(
        COMPARED,
        lines,
        beam=lambda line: times(speed_up(beam, line)),
        greedy=lambda line: times(speed_up(greedy, line)),
        runtime=lambda line: times(speed_up(runtime, line)),
    )
    return f"{table}\n\n{notes}"


def latent_table(rows: list[Row]) -> str:
    """Returns what the log of the latent systems says; empty if there is none."""
    latent = [row for row in trainings(rows) if words_per_code(row)]
    table = table_of(LATENT, [line_of(row) for row in latent])
    told = "".join(f"\n\n- {note}" for note in validation_notes(latent))
    return table + told


def training_table(rows: list[Row]) -> str:
    """Returns size and effort of every training that has a log; empty if none has."""
    trained: list[Row] = [
        {**row, "label": "autoregressive teacher"} if row["system"] == BEAM else row
        for row in trainings(rows)
        if row.get("updates")
    ]
    return table_of(TRAINED, [line_of(row) for row in trained])


def trainings(rows: list[Row]) -> list[Row]:
    """Returns a row of each training, the first: other engines run the same model."""
    known: dict[object, Row] = {}
    for row in sorted(rows, key=rank):
        told = [row.get(name) for name in TRAINING]
        same = (words_per_code(row), str(told)) if any(told) else row["system"]
        known.setdefault(same, row)
    return list(known.values())


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


def validation_notes(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Says which checkpoint the figures of validation are of, if there are any."""
    known = any(at(row, "validation") for row in rows)
    return [OF_BEST] if known else []


def spreads(rows: list[Row]) -> list[str]:
    """Says how far the seeds of a system are apart; systems are NAME, NAME-seedN."""
    known: dict[str, list[Row]] = {}
    for row in rows:
        known.setdefault(SEED.sub("", row["system"]), []).append(row)
    greedy = known.get(GREEDY, [])
    return [
        f"{len(seeds)} seeds of `{name}`, mean and range: {spread_of(seeds, greedy)}."
        for name, seeds in known.items()
        if len(seeds) > 1
    ]


def spread_of(seeds: list[Row], greedy: list[Row]) -> str:
    """Says how far seeds are apart, and how near to the teacher's greedy output."""
    told = [f"BLEU {mean_and_range([row['bleu'] for row in seeds])}"]
    correct = [row["correct"] for row in seeds if row["correct"] is not None]
    if len(correct) == len(seeds):
        told.append(f"correct {mean_and_range(correct, percent)}")
        best = greedy[0]["correct"] if greedy else None
        if best:
            near = mean_and_range([one / best for one in correct], percent)
            told.append(f"of the teacher's greedy share {near}")
    return ", ".join(told)


def signatures(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yields what chrF and TER are, of rows that know it."""
    known = list(rows)
    for head, meaning in SIGNATURES.items():
        key = f"{head.lower()}_signature"
        if names := [row[key] for row in known if row.get(key)]:
            yield f"{head}: `{distinct(names)}`{meaning}."


def speed_notes(rows: list[Row]) -> list[str]:
    """Says what was timed, on what, and against what."""
    includes = distinct(at(row, "latency_ms", "includes") for row in rows)
    batch = distinct(at(row, "throughput", "batch_size") for row in rows)
    return [
        f"ms/sentence: one sentence at a time, median and 90th percentile; {includes}. "
        f"sentences/s: batches of {batch}.",
        made_on(rows, "dtype"),
        baselines(rows),
    ]


def baselines(rows: list[Row]) -> str:
    """Says what speed-ups are against."""
    has_runtime = any(row["system"] == CTRANSLATE2 for row in rows)
    rest = f". {OF_RUNTIME}" if has_runtime else f"; {NO_RUNTIME}"
    return f"{SPEED_UPS} {OF_FAIRSEQ}{rest}"


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
