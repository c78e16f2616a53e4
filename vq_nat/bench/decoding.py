"""Compares ways to decode one latent model by quality, time and significance.

One row per mode, FOLDER/CORPUS/decoding/MODE.json; the table is made from the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ..results.rows import (
    Calibration,
    Comparison,
    Machine,
    Pace,
    Scores,
    at,
    outputs_path,
    write_outputs,
)
from ..results.speed import times_as_fast
from ..results.tables import (
    Column,
    made_on,
    markdown,
    median_and_p90,
    number,
    percent,
    shared,
)
from ..translation.decoding.options import DecodingOptions
from ..translation.translator import Translator
from ..writing import write_json
from .conditions import Conditions
from .machine import calibrate, describe_machine
from .measure import describe_quality
from .quality import score
from .sentences import TestSet, spread
from .significance import compare
from .timing import (
    INCLUDES,
    measure_latency,
    measure_throughput,
    pinned_threads,
    synchronizer,
)

FOLDER = "decoding"  # below that of the corpus, and the kind of the rows
PLAIN = "plain"
IN_COMMON = ("test_set", "sentences", "device", "processor", "threads")
ROUNDED = 0.02  # of BLEU and chrF: two digits in a row, three in a comparison
BATCH_SIZES = (16, 64, 256)


class ModeSpeed(Pace):
    """Times of a way to decode; the throughput is that of the best batch size."""

    teacher_ms: float | None  # the teacher's part of the latency, the median


class ModeRow(Scores, ModeSpeed, Machine):
    """Quality and time of one way to decode."""

    kind: str
    system: str
    corpus: str
    label: str
    outputs: str | None
    test_set: str
    sentences: int
    decoding: dict[str, Any]
    against_plain: Comparison | None
    calibration: Calibration


@dataclass(frozen=True)
class Mode:
    """One way to decode."""

    name: str
    label: str
    options: dict[str, Any] = field(default_factory=dict)  # of `Translator`
    teacher: bool = False


def modes() -> list[Mode]:
    """Returns all modes, the plain one first."""
    plain = Mode(PLAIN, "plain: greedy codes, one pass")
    return [plain, *refining_modes(), *modes_alone(), *modes_with_teacher()]


def refining_modes() -> list[Mode]:
    """Returns the modes of refinement passes."""
    refining = []
    kinds = {"mask": "words again", "latent": "new codes", "both": "both"}
    for kind, label in kinds.items():
        for passes in (1, 2, 4):
            options = {"passes": passes, "refinement": kind}
            plural = "es" if passes > 1 else ""
            text = f"{passes} pass{plural}, {label}"
            refining.append(Mode(f"{kind}-{passes}", text, options))
    return refining


def modes_alone() -> list[Mode]:
    """Returns the modes of other lengths and candidates that need no teacher."""
    return [
        Mode("ratio", "fixed length, 2 × source", {"length_mode": "ratio"}),
        several("beam-4", "beam 4, own score", 4),
        several("beam-10", "beam 10, own score", 10),
        several("lengths-3", "3 lengths, own score", 3, code_search="lengths"),
        several(
            "samples-10-chrf",
            "10 samples, agreement",
            10,
            code_search="sample",
            rescore="chrf",
        ),
    ]


def modes_with_teacher() -> list[Mode]:
    """Returns the modes in which a teacher verifies, or chooses among candidates."""
    return [
        Mode("verify", "draft, verified by the teacher", {"verify": True}, True),
        *(several(f"npd-{n}", f"beam {n}, teacher", n, True) for n in (2, 4, 10)),
        several("npd-lengths-3", "3 lengths, teacher", 3, True, code_search="lengths"),
        several(
            "npd-samples-10",
            "10 samples at 0.5, teacher",
            10,
            True,
            code_search="sample",
            temperature=0.5,
        ),
        several(
            "npd-10-both-1",
            "beam 10, 1 pass of both, teacher",
            10,
            True,
            passes=1,
            refinement="both",
        ),
    ]


def several(
    name: str, label: str, candidates: int, teacher: bool = False, **options: Any
) -> Mode:
    """Returns a mode that chooses among candidates."""
    return Mode(name, label, {"candidates": candidates, **options}, teacher)


def choose(names: list[str] | None, teacher: bool) -> list[Mode]:
    """Returns the modes of these names, all by default; plain is always among them.

    Args:
        names: None = all.
        teacher: whether there is one; without it the modes that need it are left out.

    Raises:
        ValueError: for a name that does not exist, or a mode that lacks its teacher.
    """
    known = {mode.name: mode for mode in modes()}
    if names is None:
        return [mode for mode in known.values() if teacher or not mode.teacher]
    for name in names:
        if name not in known:
            raise ValueError(
                f"a mode must be one of {', '.join(known)}, but is {name!r} instead."
            )
        if known[name].teacher and not teacher:
            raise ValueError(f"the mode {name} must have a teacher, but has none.")
    return [mode for mode in known.values() if mode.name in {PLAIN, *names}]


# ---------------------------------------------------------------------------- measuring


def measure_modes(
    translator: Translator,
    chosen: list[Mode],
    test_set: TestSet,
    conditions: Conditions,
    folder: Path | None = None,
) -> Iterator[ModeRow]:
    """Yields a row for each mode, compared with the plain one.

    Args:
        translator: a latent model, with its teacher if a mode needs one.
        chosen: the modes, plain first.
        test_set: is translated once as a whole, and in part for the times.
        conditions: how the times are measured.
        folder: of all rows; the outputs are kept beside them. None = they are not.
    """
    plain: list[str] = []
    for mode in chosen:
        decoder = with_options(translator, mode)
        with pinned_threads(conditions.threads):
            outputs = decoder.translate(test_set.sources, conditions.batch_size)
            speed = measure_times(decoder, test_set.sources, conditions, mode.teacher)
        plain = plain or outputs
        quality = score(
            outputs, test_set.references, test_set.complete, test_set.target_lang
        )
        path = folder and row_path(folder, test_set.corpus, mode.name)
        row: ModeRow = {
            "kind": FOLDER,
            "system": mode.name,
            "corpus": test_set.corpus,
            "label": mode.label,
            "outputs": None if path is None else outputs_path(path, test_set.name).name,
            "test_set": test_set.name,
            "sentences": len(test_set.sources),
            "decoding": mode.options,
            **describe_quality(quality),
            "against_plain": against(
                plain, outputs, test_set.references, test_set.target_lang
            ),
            **speed,
            **describe_machine(conditions.device, conditions.threads),
            "calibration": calibrate(),
        }
        if path is not None:  # last: a run that is killed leaves the old row's outputs
            write_outputs(outputs, path, test_set.name)
        yield row


def with_options(translator: Translator, mode: Mode) -> Translator:
    """Returns a translator that decodes in another way, with the same models."""
    teacher = translator.options.teacher if mode.teacher else None
    return Translator(
        translator.model,
        translator.task,
        translator.codec,
        DecodingOptions(
            teacher=teacher, autocast=translator.options.autocast, **mode.options
        ),
        translator.teacher if mode.teacher else None,
    )


def measure_times(
    translator: Translator, sources: list[str], conditions: Conditions, teacher: bool
) -> ModeSpeed:
    """Times single sentences, and batches of several sizes."""
    wait = synchronizer(conditions.device)
    sentences = spread(sources, conditions.timed_sentences)
    latency = measure_latency(
        translator.translate,
        sentences,
        conditions.warm_up,
        repeats=conditions.repeats,
        synchronize=wait,
    )
    many = spread(sources, 2 * max(BATCH_SIZES))
    rates = {
        size: measure_throughput(
            partial(translator.translate, batch_size=size), many, synchronize=wait
        )
        for size in BATCH_SIZES
    }
    best = max(rates, key=lambda size: rates[size])
    in_teacher = [
        1000 * translator.hypotheses([sentence])[0].teacher_seconds
        for sentence in (sentences if teacher else [])
    ]
    return {
        "latency_ms": {
            "median": round(latency.median, 3),
            "p90": round(latency.p90, 3),
            "batch_size": 1,
            "sentences": latency.sentences,
            "warm_up": conditions.warm_up,
            "repeats": latency.repeats,
            "includes": INCLUDES,
        },
        "teacher_ms": round(median(in_teacher), 3) if teacher else None,
        "throughput": {"sentences_per_s": round(rates[best], 2), "batch_size": best},
    }


def against(
    plain: list[str],
    outputs: list[str],
    references: list[list[str]],
    language: str = "",
) -> Comparison | None:
    """Compares outputs with the plain ones; None for the plain outputs themselves."""
    return None if outputs is plain else compare(plain, outputs, references, language)


# ----------------------------------------------------------------------- rows and table


def row_path(folder: Path, corpus: str, mode: str) -> Path:
    """Returns where a mode's row is kept."""
    return folder / corpus / FOLDER / f"{mode}.json"


def write_mode(row: ModeRow, folder: Path) -> Path:
    """Writes one row, never seen half-written."""
    return write_json(row, row_path(folder, row["corpus"], row["system"]))


def load_modes(folder: Path, corpus: str) -> list[ModeRow]:
    """Reads the rows of a corpus, in the order of `modes`."""
    paths = (folder / corpus / FOLDER).glob("*.json")
    rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    order = [mode.name for mode in modes()]
    known = sorted(
        (name for name in rows if name in order), key=lambda name: order.index(name)
    )
    return [rows[name] for name in known]


def decoding_table(rows: list[ModeRow]) -> str:
    """Returns the table of modes and the notes below it.

    Raises:
        ValueError: without the row of plain decoding.
    """
    plain = next((row for row in rows if row["system"] == PLAIN), None)
    if plain is None:
        raise ValueError("`rows` must hold one of plain decoding, but hold none.")

    def slower(row: ModeRow) -> str:
        times = times_as_fast(row, plain)
        return "–" if times is None else f"{times:.2f}"

    known = [row for row in rows if compares(row, plain)]
    columns: list[Column[ModeRow]] = [
        ("decoding", lambda row: row["label"]),
        ("BLEU", lambda row: number(row["bleu"])),
        ("against plain", lambda row: difference(row, "bleu")),
        ("chrF", lambda row: number(row["chrf"])),
        ("against plain", lambda row: difference(row, "chrf")),
    ]
    if plain.get("correct") is not None:
        columns.append(("correct", lambda row: percent(row["correct"])))
    columns += [
        ("ms/sentence (p90)", lambda row: median_and_p90(row["latency_ms"])),
        ("in the teacher", lambda row: number(row["teacher_ms"])),
        ("× plain", slower),
        ("sentences/s (batch)", throughput),
    ]
    told = notes(known)
    if len(known) < len(rows):
        others = ", ".join(f"`{row['system']}`" for row in rows if row not in known)
        told.append(f"Left out, as they compare with another plain output: {others}.")
    return markdown(columns, known) + "\n\n" + "\n".join(f"- {one}" for one in told)


def compares(row: ModeRow, plain: ModeRow) -> bool:
    """Tells whether a row is of the plain one's sentences, machine and outputs.

    A row does not say which plain output it was compared with, but how good it was.
    """
    before: Any = at(row, "against_plain") or {"bleu": 0.0, "chrf": 0.0}
    was = [at(row, name) - before[name] for name in ("bleu", "chrf")]
    same = [abs(a - at(plain, b)) <= ROUNDED for a, b in zip(was, ("bleu", "chrf"))]
    return all(same) and all(at(row, name) == at(plain, name) for name in IN_COMMON)


def difference(row: ModeRow, metric: str) -> str:
    """Writes a difference and its one-sided p-value."""
    value = at(row, "against_plain", metric)
    if value is None:
        return "–"
    return f"{value:+.1f} (p = {at(row, 'against_plain', f'{metric}_p'):.3f})"


def throughput(row: ModeRow) -> str:
    """Writes the rate at the best batch size."""
    best = row["throughput"]
    return f"{best['sentences_per_s']:.0f} ({best['batch_size']})"


def notes(rows: list[ModeRow]) -> list[str]:
    """Returns what the figures depend on."""
    first = rows[0]
    resamples = {at(row, "against_plain", "resamples") for row in rows} - {None}
    return [
        f"Test set: {first['test_set']} of {first['corpus']}, {first['sentences']} "
        f"sentences. BLEU: `{shared(rows, 'bleu_signature')}`.",
        "Against plain: the difference, and one-sided p by paired bootstrap with "
        f"{', '.join(str(n) for n in sorted(resamples)) or 'no'} resamples.",
        f"ms/sentence: one sentence at a time, {INCLUDES}; the teacher's part of it "
        "beside. sentences/s: at the best of the batch sizes "
        f"{', '.join(str(size) for size in BATCH_SIZES)}.",
        made_on(rows),
    ]
