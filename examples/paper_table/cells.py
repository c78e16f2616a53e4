"""Owns the tables of the report, and how their cells are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from examples.paper_table.entries import Entry, speed_up, with_spread
from vq_nat.results.clocks import clock_cell, clock_names, has_clock
from vq_nat.results.rows import at
from vq_nat.results.tables import (
    MEANINGS,
    NOTHING,
    Column,
    markdown,
    number,
    percent,
    text_or_nothing,
    words_per_code,
)

HOST = (
    "host: what is in no other column; where `rescore` and `recode` are not known, the "
    "teacher's scoring of candidates and the new codes of refinement, too. engine: all "
    "of CTranslate2's own work. steps: of the codes, or of the words of a model that "
    "writes one after the other."
)
COUNTS = ("steps",)  # among the stages, and no times
OPTIONAL = {"ter": "TER", "comet": "COMET"}  # figures that not every row has


EntryColumn = Column[Entry]


def table_of(entries: Sequence[Entry], columns: Sequence[EntryColumn]) -> str:
    """Returns a Markdown table of lines."""
    return markdown(columns, entries)


def main_table(entries: Sequence[Entry], base: Entry | None) -> str:
    """Returns quality and time, ours and the paper's side by side."""
    return table_of(entries, quality_columns(entries) + time_columns(entries, base))


def quality_table(entries: Sequence[Entry]) -> str:
    """Returns quality alone."""
    return table_of(entries, quality_columns(entries))


def quality_columns(entries: Sequence[Entry]) -> list[EntryColumn]:
    """Returns what tells how good the systems are."""
    columns: list[EntryColumn] = [
        ("system", label),
        ("row", lambda e: f"`{e.name}`"),
        ("BLEU", lambda e: with_spread(e.values("bleu"), one_digit)),
    ]
    for name in other_test_sets(entries):
        columns.append((f"BLEU {name}", other_bleu(name)))
    if any("bleu" in entry.spec.paper for entry in entries):
        columns.append(("paper's BLEU", lambda e: number(e.spec.paper.get("bleu"))))
    columns.append(("chrF", mean_of("chrf", number)))
    for name, head in OPTIONAL.items():
        if any(entry.values(name) for entry in entries):
            columns.append((head, mean_of(name, number)))
    for name in MEANINGS:
        if any(entry.values(name) for entry in entries):
            columns.append((name, mean_of(name, percent)))
    return [*columns, ("against greedy", against_greedy)]


def time_columns(entries: Sequence[Entry], base: Entry | None) -> list[EntryColumn]:
    """Returns what tells how fast they are."""
    columns: list[EntryColumn] = [
        ("ms/sentence (p90)", latency),
        ("× beam 4", lambda e: times(speed_up(base, e) if e.is_timed else None)),
    ]
    if any("speedup" in entry.spec.paper for entry in entries):
        columns.append(("paper's ×", lambda e: times(e.spec.paper.get("speedup"))))
    if any(entry.timed.get("calibration") for entry in entries):
        columns.append(("machine, ms", calibration))
    return [*columns, ("sentences/s (batch)", throughput)]


def calibration(entry: Entry) -> str:
    """Writes how long the machine took for small operators, at the time."""
    known = at(entry.timed, "calibration", "operators_ms")
    return number(known) if entry.is_timed else NOTHING


def differing_table(entries: Sequence[Entry]) -> str:
    """Returns the lines that were made with something else, and with what."""
    columns: list[EntryColumn] = [("other", lambda e: ", ".join(e.differs))]
    columns += [*quality_columns(entries)[:-1], ("ms/sentence (p90)", latency)]
    return table_of(entries, columns) if entries else ""


def label(entry: Entry) -> str:
    """Writes a line's name and its note."""
    return entry.label + (f" ({entry.spec.note})" if entry.spec.note else "")


def mean_of(name: str, write: Callable[[float | None], str]) -> Callable[[Entry], str]:
    """Returns what writes the mean of a figure, which may be missing."""
    return lambda entry: write(entry.mean(name))


def against_greedy(entry: Entry) -> str:
    """Writes the difference to the teacher's greedy output and the largest p-value."""
    gaps = entry.values("against_greedy", "bleu")
    if not gaps:
        return NOTHING
    largest = max(entry.values("against_greedy", "bleu_p"))
    return f"{signed(sum(gaps) / len(gaps))} ({p_value(largest)})"


def signed(gap: float) -> str:
    """Writes a difference of scores; nothing has no sign."""
    return f"{gap:+.1f}" if round(gap, 1) else "0.0"


def p_value(p: float) -> str:
    """Writes a p-value; of 1,000 resamples, 0.001 is the smallest there is."""
    return "p ≤ 0.001" if p < 0.0015 else f"p = {p:.3f}"


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
    if not entry.is_timed:
        return NOTHING
    return f"{entry.latency:.1f} ({number(entry.timed['latency_ms']['p90'])})"


def throughput(entry: Entry) -> str:
    """Writes the rate at the best batch size."""
    if not entry.is_timed:
        return NOTHING
    best = entry.best_speed
    return f"{best.sentences_per_s:.0f} ({best.batch_size})"


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
            (
                "words per code",
                lambda e: text_or_nothing(words_per_code(e.rows[0])),
            ),
            ("codes", lambda e: first(e, "codebook_size")),
            ("valid BLEU", valid("bleu", number)),
            ("with true codes", valid("bleu_true_codes", number)),
            ("code accuracy", valid("code_accuracy", percent)),
            ("perplexity", valid("perplexity", number)),
            ("posterior entropy", lambda e: number(entropy(e), 2)),
        ],
    )


def faults_table(entries: Sequence[Entry]) -> str:
    """Returns what parallel decoders are known for, empty if not measured."""
    known = [entry for entry in entries if entry.values("repetition_rate")]
    if not known:
        return ""
    return table_of(
        known,
        [
            ("system", label),
            ("length ratio", lambda e: number(e.mean("length_ratio"), 2)),
            ("repeated words", mean_of("repetition_rate", percent)),
            ("broken words", lambda e: percent(e.mean("broken_words"), 2)),
            *passes_of(known),
        ],
    )


def passes_of(entries: Sequence[Entry]) -> list[tuple[str, Callable[[Entry], str]]]:
    """Returns the column of how often a verifying teacher reads, if one does."""
    if not any(entry.values("teacher_passes") for entry in entries):
        return []
    return [("passes of the teacher", mean_of("teacher_passes", number))]


def entropy(entry: Entry) -> float | None:
    """Returns how undecided the E-step is, in nats."""
    return entry.mean("validation", "posterior_entropy")


def first(entry: Entry, name: str) -> str:
    """Writes what all seeds have in common."""
    value = at(entry.rows[0], name)
    return NOTHING if value is None else str(value)


def unique_models(entries: Sequence[Entry]) -> list[Entry]:
    """Keeps the first line of every model."""
    first_lines: dict[str, Entry] = {}
    for entry in entries:
        first_lines.setdefault(entry.spec.model, entry)
    return list(first_lines.values())


def clocks_table(entries: Sequence[Entry], figure: str = "sentences_per_s") -> str:
    """Returns a rate at all batch sizes and threads, empty if not measured."""
    known = [e for e in entries if e.is_timed and has_clock(e.timed, figure)]
    heads = clock_names([entry.timed for entry in known])

    def rate(name: str) -> Callable[[Entry], str]:
        return lambda entry: clock_cell(entry.timed, name, figure)

    columns = [("system", label), *((head, rate(head)) for head in heads)]
    return table_of(known, columns) if heads else ""


def stages_table(entries: Sequence[Entry]) -> str:
    """Returns the milliseconds of each stage at batch 1, empty if not measured."""
    known = [entry for entry in entries if entry.timed.get("stages_ms")]
    if not known:
        return ""
    names = dict.fromkeys(
        name
        for entry in known
        for name, value in at(entry.timed, "stages_ms").items()
        if isinstance(value, int | float)
    )

    def stage(name: str) -> Callable[[Entry], str]:
        digits = 0 if name in COUNTS else 2
        return lambda entry: number(at(entry.timed, "stages_ms", name), digits)

    order = sorted(names, key=COUNTS.count)  # counts come last
    columns = [(head_of(name), stage(name)) for name in order]
    table = table_of(known, [("ms/sentence at batch 1", label), *columns])
    return f"{table}\n\n{HOST}"


def head_of(stage: str) -> str:
    """Names a stage in the head of a table."""
    if stage in COUNTS:
        return f"number of {stage}"
    return "one step" if stage == "per_step" else stage


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
            ("on", trained_on),
            ("seeds", lambda e: ", ".join(str(row.get("seed")) for row in e.rows)),
        ],
    )


def trained_on(entry: Entry) -> str:
    """Writes the processors of the trainings, those of the seeds apart."""
    names = [
        (row["train_gpu"] or "CPU") if "train_gpu" in row else NOTHING
        for row in entry.rows
    ]
    return ", ".join(dict.fromkeys(names))


def parameters(entry: Entry) -> str:
    """Writes the number of parameters."""
    count = entry.mean("parameters")
    return NOTHING if count is None else f"{count / 1e6:.2f} M"


def minutes(entry: Entry) -> str:
    """Writes the time of the trainings: of several seeds the range."""
    return with_spread([s / 60 for s in entry.values("train_seconds")], one_digit)
