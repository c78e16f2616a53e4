"""Owns what a result row says of a system on a test set, and where it is kept.

A row is a JSON file; its types are those of its figures. What may be missing
(`NotRequired`) is missing in rows that are older than the figure; what is None could
not be measured, or does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from ..files import read_json
from ..writing import write_json, write_text


class Machine(TypedDict):
    """Where something was measured, and with what."""

    device: str
    processor: str
    threads: int
    versions: dict[str, str]
    commit: str


class Calibration(TypedDict):
    """Times of the same small computations everywhere: the state a machine was in."""

    products_ms: float
    operators_ms: float
    load: NotRequired[float]  # processes that wanted to run, in the last minute


class Spread(TypedDict):
    """Milliseconds of one sentence, over sentences."""

    median: float
    p90: float


class Latency(Spread):
    """One sentence at a time."""

    batch_size: int
    sentences: int
    warm_up: int
    repeats: int
    includes: str


class Throughput(TypedDict):
    """The whole test set in batches."""

    sentences_per_s: float
    batch_size: int


class ClockRow(TypedDict):
    """What a clock shows, see `bench.clocks`."""

    batch_size: int
    threads: int
    device: str
    largest: str | None  # what ended the search for the largest batch, if there was one
    ms_per_sentence: Spread
    sentences_per_s: float
    words_per_s: float
    sentences: int
    repeats: int
    warm_up: int
    includes: str


class LengthRange(TypedDict):
    """Sentences of some number of target words, see `results.lengths`."""

    least: int
    most: int | None  # None: as many as there are
    sentences: int


class LengthScores(LengthRange):
    """Quality on the sentences of a range."""

    bleu: float
    length_ratio: float
    repetition_rate: float


class LengthTimes(LengthRange):
    """One sentence of a range at a time."""

    words: float  # target words in the mean
    ms: Spread


class InTurn(TypedDict):
    """Times of a system beside another one, see `bench.pairs`."""

    times: float  # as fast as the other
    least: float
    most: float
    base_ms: float
    ms: float
    sentences: int
    repeats: int


class Comparison(TypedDict):
    """Outputs beside those of a baseline, by paired bootstrap (Koehn 2004)."""

    resamples: int
    same: float  # share of the sentences
    bleu: float  # differences, and their one-sided p-values
    bleu_p: float
    chrf: float
    chrf_p: float


class Compared(Comparison):
    """A comparison, and of which outputs."""

    of: list[str]  # short hashes


class Scores(TypedDict):
    """Quality on a test set."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: NotRequired[str]
    ter: float | None
    ter_signature: NotRequired[str | None]
    comet: float | None
    correct: float | None  # share that is one of the references, where all are known
    mixed: float | None
    length_ratio: float
    repetition_rate: float


class ScoredOutputs(Scores):
    """The same of outputs that may be kept."""

    broken_words: NotRequired[float | None]
    by_length: NotRequired[list[LengthScores]]
    outputs: str | None  # name of their file, beside the row


class OtherTestSet(ScoredOutputs):
    """Quality on a further test set."""

    sentences: int


class LatentSizes(TypedDict):
    """What latents are made of; None for what a model does not have."""

    n_c: int | None  # halvings of the length
    words_per_code: NotRequired[int | None]
    n_s: int | None  # samples of soft EM
    codebook_size: int | None
    slices: int | None


class Sizes(LatentSizes):
    """What a model is made of, and how it decodes."""

    parameters: int
    dtype: str
    beam: int | None  # of an autoregressive model
    passes: int | None  # of a parallel one


class Validation(TypedDict):
    """What validation said of the training's best checkpoint, measured or not."""

    updates: int
    bleu: float | None
    bleu_true_codes: float | None
    bleu_true_latents: NotRequired[float | None]
    code_accuracy: float | None
    perplexity: float | None
    posterior_entropy: float | None


class Training(TypedDict):
    """What a model cost; all None without a log."""

    seed: int | None
    updates: int | None
    train_seconds: int | None
    train_gpu: NotRequired[str | None]
    validation: Validation | None


class Pace(TypedDict):
    """One sentence at a time, and many."""

    latency_ms: Latency
    throughput: Throughput


class Speed(Pace):
    """What all clocks say."""

    clocks: NotRequired[list[ClockRow]]
    clocks_left_out: NotRequired[list[str]]  # BATCH:THREADS, as cores were not free
    latency_by_length: NotRequired[list[LengthTimes] | None]


class Times(Speed, Machine):
    """All of a row that is about time, and what it was timed on."""

    stages_ms: NotRequired[dict[str, float] | None]
    engine_versions: NotRequired[dict[str, str]]
    calibration: NotRequired[Calibration]


class TimedInTurn(TypedDict):
    """Times beside other systems."""

    in_turn: NotRequired[dict[str, InTurn]]  # by the name of the other system


class Row(ScoredOutputs, Sizes, Training, Times, TimedInTurn):
    """A system on a test set."""

    kind: NotRequired[str]  # of rows that are read by a script of their own
    system: str
    label: str
    corpus: str
    test_set: str
    sentences: int
    other_test_sets: NotRequired[dict[str, OtherTestSet]]
    engine: NotRequired[str]
    decoding: dict[str, Any]  # options of `vq_nat.load`
    teacher_passes: NotRequired[float | None]
    against_greedy: NotRequired[Compared]
    against_rows: NotRequired[dict[str, Compared]]  # by the name of the other row
    selection: NotRequired[dict[str, Any]]  # of a checkpoint that is not the log's best


def at(row: Mapping[str, object], *names: str) -> Any:
    """Returns a value deep inside a row, None if there is no such."""
    value: Any = row
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def row_path(folder: Path, corpus: str, system: str) -> Path:
    """Returns where a row is kept.

    Raises:
        ValueError: if a name would lead out of the folder.
    """
    for what, name in (("corpus", corpus), ("system", system)):
        if Path(name).name != name or name in ("", ".."):
            raise ValueError(
                f"`{what}` must be a file's name, without folders, but is {name!r} "
                "instead."
            )
    return folder / corpus / f"{system}.json"


def write_row(row: Row, folder: Path) -> Path:
    """Writes FOLDER/CORPUS/SYSTEM.json, never seen half-written."""
    return write_json(row, row_path(folder, row["corpus"], row["system"]))


def rows_of_kind(folder: Path, kind: str) -> list[Any]:
    """Reads the rows of a kind among all JSON files of a folder, by name.

    Raises:
        BadFile: if a file is none.
    """
    rows = [read_json(path, "row") for path in sorted(folder.glob("*.json"))]
    return [row for row in rows if row.get("kind") == kind]


def outputs_path(path: Path, test_set: str) -> Path:
    """Returns where the outputs of a row are kept: ROW.TEST_SET.txt beside it.

    Args:
        path: of the row.
        test_set: name of the test set.
    """
    return path.with_name(f"{path.stem}.{test_set}.txt")


def write_outputs(outputs: list[str], path: Path, test_set: str) -> Path:
    """Writes a row's outputs beside it, one a line.

    Args:
        outputs: raw translations, none of which has a line feed.
        path: of the row.
        test_set: name of the test set.
    """
    return write_text("\n".join(outputs), outputs_path(path, test_set))
