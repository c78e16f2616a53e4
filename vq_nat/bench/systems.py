"""Turns a trained system and its test sets into a result row, which carries its recipe.

One protocol for all: text in, text out, the same sentences, pinned threads. A row is
one small JSON file, FOLDER/CORPUS/SYSTEM.json; the outputs that it was scored on stand
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..engine import all_threads
from ..results.rows import Row, row_path, write_json, write_outputs, write_row
from ..results.training_log import TrainingLog, read_log
from ..translation.decoding.options import NEED_REFERENCES
from ..translation.loading import languages_of
from .clocks import Clock, Rules, measure_clock
from .engines import (
    Engine,
    NativeEngine,
    TorchEngine,
    describe_decoding,
    engine_versions,
    open_engine,
)
from .machine import (
    calibrate,
    describe_machine,
    gain_of_threads,
    processor,
    versions,
)
from .pairs import time_in_turn
from .quality import Quality, comet, score
from .sentences import TestSet, spread
from .stages import profile_stages
from .timing import (
    INCLUDES,
    Translate,
    measure_throughput,
    pinned_threads,
    synchronizer,
)
from .words import broken_share, words_in

LEAST_GAIN = 1.2  # of several threads over one, or the cores are not free

__all__ = [
    "Clock",
    "Conditions",
    "Row",
    "System",
    "TestSet",
    "describe_conditions",
    "describe_quality",
    "describe_training",
    "measure",
    "measure_in_turn",
    "measure_times",
    "row_path",
    "spread",
    "write_json",
    "write_row",
]


@dataclass(frozen=True)
class System:
    """A trained checkpoint, and how it decodes.

    Attributes:
        name: of its row.
        label: for readers.
        checkpoint: a file, or a folder that holds `checkpoint_best.pt`.
        log: of its training.
        engine: one of `engines.ENGINES`.
        decoding: options of `vq_nat.load`, `true_codes` and `true_latents` among them;
            of CTranslate2 `beam` and `compute_type`.
    """

    name: str
    label: str
    checkpoint: Path
    log: Path | None = None
    engine: str = "torch"
    decoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_references(self) -> bool:
        """Whether it decodes from what it is to find: a diagnosis, not a system."""
        return any(self.decoding.get(name) for name in NEED_REFERENCES)

    def open(self, device: str, threads: int, autocast: str = "none") -> Engine:
        """Loads it."""
        return open_engine(
            self.engine, self.checkpoint, self.decoding, device, threads, autocast
        )


@dataclass(frozen=True)
class Conditions:
    """How a system is measured; the same for all that are compared.

    Attributes:
        device: where quality, `latency_ms` and `throughput` are measured.
        threads: the same for threads.
        autocast: see `--autocast`; a system's own `decoding` may say otherwise.
        batch_size: of the scored translation and of `throughput`.
        timed_sentences: spread evenly over the test set; the same for all clocks.
        warm_up: sentences before each clock starts.
        repeats: rounds over the timed sentences.
        clocks: besides those of one sentence at a time with 1 thread and with
            `threads`, which are always read.
        stages: whether time is told apart by stage, at batch 1.
        memory_limit_gb: of this process, for the clock of the largest batch.
        comet: file of a COMET model on this machine.
    """

    device: str = "cpu"
    threads: int = 1
    autocast: str = "none"
    batch_size: int = 64
    timed_sentences: int = 100
    warm_up: int = 10
    repeats: int = 3
    clocks: tuple[Clock, ...] = ()
    stages: bool = False
    memory_limit_gb: float = 8.0
    comet: str | None = None

    def all_clocks(self) -> list[Clock]:
        """Returns the clocks to read, `latency_ms` first, each once."""
        wanted = [Clock(1, self.threads), Clock(1, 1), *self.clocks]
        return list(dict.fromkeys(self.resolve(clock) for clock in wanted))

    def resolve(self, clock: Clock) -> Clock:
        """Replaces what stands for the conditions' device and for all threads."""
        threads = clock.threads or all_threads()
        return Clock(clock.batch_size, threads, clock.device or self.device)

    @property
    def rules(self) -> Rules:
        """What all clocks have in common."""
        limit = int(self.memory_limit_gb * 2**30)
        return Rules(self.warm_up, self.repeats, limit)


# ---------------------------------------------------------------------------- the row


def measure(
    system: System,
    test_sets: Sequence[TestSet],
    conditions: Conditions,
    beside: Path | None = None,
) -> Row:
    """Translates the test sets, scores them, times the system, and returns the row.

    Args:
        system: what is measured.
        test_sets: the first gives the row's main figures and is timed; what is
            scored on the others stands under `other_test_sets`.
        conditions: how.
        beside: where the row will be kept; the outputs are written beside it, one
            file for each test set. None = they are not kept.

    Raises:
        FileNotFoundError: if the checkpoint or the log is missing.
        ValueError: for an unknown engine or option, or an unusable test set.
    """
    if not test_sets:
        raise ValueError("`test_sets` must hold at least one, but are empty instead.")
    refuse_other_direction(system, test_sets)
    log = read_log(system.log) if system.log else None
    opened = Opened(system, conditions)
    engine = opened(conditions.device, conditions.threads)
    main = test_sets[0]
    # What is scored is translated first, and warms up what is timed.
    qualities = [
        measure_quality(system, engine, one, conditions, beside) for one in test_sets
    ]
    return {
        "system": system.name,
        "label": system.label,
        "corpus": main.corpus,
        "test_set": main.name,
        "sentences": len(main.sources),
        **qualities[0],
        "other_test_sets": {
            one.name: {"sentences": len(one.sources), **quality}
            for one, quality in zip(test_sets[1:], qualities[1:])
        },
        **measure_speed(opened, main, conditions),
        "stages_ms": measure_stages(opened, main, conditions),
        "engine": system.engine,
        "decoding": describe_decoding(system.decoding),
        **engine.describe(),
        "teacher_passes": measure_passes(system, engine, main, conditions),
        **describe_training(log),
        **describe_machine(conditions.device, conditions.threads),
        "engine_versions": engine_versions(system.engine),
        "calibration": calibrate(),
    }


def refuse_other_direction(system: System, test_sets: Sequence[TestSet]) -> None:
    """Refuses test sets to be translated the other way than the system was trained.

    Raises:
        FileNotFoundError: if the checkpoint is missing.
        ValueError: naming the test set.
    """
    known = [one for one in test_sets if one.languages is not None]
    if not known:
        return
    trained = languages_of(system.checkpoint, system.decoding.get("data"))
    for one in known:
        if one.languages == trained[::-1]:
            raise ValueError(
                f"the test set {one.name} must be translated from {trained[0]} to "
                f"{trained[1]}, as {system.checkpoint} was trained, but is to be from "
                f"{trained[1]} to {trained[0]} instead."
            )


class Opened:
    """A system's engines, each loaded when it is asked for.

    CTranslate2 is told its threads when it is loaded, torch at any time.
    """

    def __init__(self, system: System, conditions: Conditions) -> None:
        self.system, self.conditions = system, conditions
        self.engines: dict[tuple[str, int], Engine] = {}

    def __call__(self, device: str, threads: int) -> Engine:
        """Returns the engine for a device and a number of threads."""
        key = device, threads if self.system.engine != "torch" else 0
        if key not in self.engines:
            autocast = self.conditions.autocast
            self.engines[key] = self.system.open(device, threads, autocast)
        return self.engines[key]


def measure_quality(
    system: System,
    engine: Engine,
    test_set: TestSet,
    conditions: Conditions,
    beside: Path | None,
) -> Row:
    """Translates and scores a test set, and keeps the outputs."""
    references = test_set.targets if system.needs_references else None
    with pinned_threads(conditions.threads):
        outputs = engine.translate(test_set.sources, conditions.batch_size, references)
    quality = describe_quality(
        score(outputs, test_set.references, test_set.complete, test_set.target_lang),
        comet(test_set.sources, outputs, test_set.targets, conditions.comet),
    )
    quality["broken_words"] = measure_broken_words(outputs, test_set)
    if beside is not None:
        kept = write_outputs(outputs, beside, test_set.name)
        return {**quality, "outputs": kept.name}
    return {**quality, "outputs": None}


def measure_passes(
    system: System, engine: Engine, test_set: TestSet, conditions: Conditions
) -> float | None:
    """Returns how often a verifying teacher reads a sentence, the mean; else None."""
    if not system.decoding.get("verify") or system.needs_references:
        return None
    assert isinstance(engine, (TorchEngine, NativeEngine))
    with pinned_threads(conditions.threads):
        passes = engine.passes(test_set.sources, conditions.batch_size)
    return round(sum(passes) / len(passes), 3)


def measure_broken_words(outputs: list[str], test_set: TestSet) -> float | None:
    """Returns the share of broken words; None without the training text."""
    if test_set.training_text is None:
        return None
    known = words_in(test_set.training_text)
    return round(broken_share(outputs, test_set.sources, known), 5)


def measure_speed(opened: Opened, test_set: TestSet, conditions: Conditions) -> Row:
    """Reads all clocks, and times the whole test set in batches.

    Clocks of several threads are left out, by name, where the cores are not free.
    """
    timed = test_set.spread(conditions.timed_sentences)
    clocks: list[Row] = []
    left_out: list[str] = []
    for clock in conditions.all_clocks():
        if clocks and is_crowded(clock):
            left_out.append(f"{clock.batch_size}:{clock.threads}")
            continue
        translate = translation(opened, timed, clock)
        wait = synchronizer(clock.device)
        with pinned_threads(clock.threads):
            clocks.append(
                measure_clock(translate, timed.sources, clock, conditions.rules, wait)
            )
    whole = Clock(conditions.batch_size, conditions.threads, conditions.device)
    with pinned_threads(conditions.threads):
        rate = measure_throughput(
            translation(opened, test_set, whole),
            test_set.sources,
            synchronize=synchronizer(conditions.device),
        )
    return {
        "latency_ms": describe_latency(clocks[0]),
        "throughput": {
            "sentences_per_s": round(rate, 2),
            "batch_size": conditions.batch_size,
        },
        "clocks": clocks,
        "clocks_left_out": left_out,
    }


def is_crowded(clock: Clock) -> bool:
    """Tells whether others use the cores of a CPU's clock."""
    if clock.threads == 1 or torch.device(clock.device).type != "cpu":
        return False
    return gain_of_threads(clock.threads) < LEAST_GAIN


def measure_times(system: System, test_set: TestSet, conditions: Conditions) -> Row:
    """Returns all of a row that is about time, and about what it was timed on."""
    opened = Opened(system, conditions)
    return {
        **measure_speed(opened, test_set, conditions),
        "stages_ms": measure_stages(opened, test_set, conditions),
        **describe_machine(conditions.device, conditions.threads),
        "engine_versions": engine_versions(system.engine),
        "calibration": calibrate(),
    }


def measure_in_turn(
    base: System, system: System, test_set: TestSet, conditions: Conditions
) -> Row:
    """Times a system beside another one, see `pairs.time_in_turn`."""
    timed = test_set.spread(conditions.timed_sentences)
    clock = Clock(1, conditions.threads, conditions.device)
    calls = [
        translation(Opened(one, conditions), timed, clock) for one in (base, system)
    ]
    with pinned_threads(conditions.threads):
        return time_in_turn(
            calls[0],
            calls[1],
            timed.sources,
            conditions.rules,
            synchronizer(conditions.device),
        )


def translation(opened: Opened, test_set: TestSet, clock: Clock) -> Translate:
    """Returns the function that is timed: raw sentences to raw sentences."""
    engine = opened(clock.device, clock.threads)
    if not opened.system.needs_references:
        return lambda texts: engine.translate(texts, clock.batch_size or len(texts))
    known = dict(zip(test_set.sources, test_set.targets))
    return lambda texts: engine.translate(
        texts, clock.batch_size or len(texts), [known[text] for text in texts]
    )


def measure_stages(
    opened: Opened, test_set: TestSet, conditions: Conditions
) -> Row | None:
    """Tells time apart by stage, one sentence at a time with one thread.

    Returns:
        None where it is not asked for, or where there are no stages to look into.
    """
    if not conditions.stages or opened.system.needs_references:
        return None
    translator = getattr(opened(conditions.device, 1), "translator", None)
    if translator is None:
        return None
    sentences = spread(test_set.sources, conditions.timed_sentences)
    with pinned_threads(1):
        return profile_stages(translator, sentences, conditions.rules)


# ----------------------------------------------------------------------- its parts


def describe_quality(quality: Quality, comet_score: float | None = None) -> Row:
    """Rounds the scores; an unknown one stays None."""
    return {
        "bleu": round(quality.bleu, 2),
        "bleu_signature": quality.bleu_signature,
        "chrf": round(quality.chrf, 2),
        "chrf_signature": quality.chrf_signature,
        "ter": rounded(quality.ter, 2),
        "ter_signature": quality.ter_signature,
        "comet": rounded(comet_score, 4),
        "correct": rounded(quality.correct, 4),
        "mixed": rounded(quality.mixed, 4),
        "length_ratio": round(quality.length_ratio, 4),
        "repetition_rate": round(quality.repetition_rate, 4),
    }


def rounded(value: float | None, digits: int) -> float | None:
    """Rounds a score; an unknown one stays None."""
    return None if value is None else round(value, digits)


def describe_latency(clock: Row) -> Row:
    """Returns what the clock of single sentences shows, under its usual name."""
    return {
        "median": round(clock["ms_per_sentence"]["median"], 3),
        "p90": round(clock["ms_per_sentence"]["p90"], 3),
        "batch_size": 1,
        "sentences": clock["sentences"],
        "warm_up": clock["warm_up"],
        "repeats": clock["repeats"],
        "includes": INCLUDES,
    }


def describe_training(log: TrainingLog | None) -> Row:
    """Names the effort, and what validation said of the measured checkpoint."""
    if log is None:
        names = ("seed", "updates", "train_seconds", "train_gpu", "validation")
        return dict.fromkeys(names)
    figures_of = {
        "bleu": "bleu",
        "bleu_true_codes": "bleu_true_codes",
        "bleu_true_latents": "bleu_true_latents",
        "code_accuracy": "code_accuracy",
        "perplexity": "vq_perplexity",
        "posterior_entropy": "vq_posterior_entropy",
    }
    figures: Row = {name: log.best.get(key) for name, key in figures_of.items()}
    return {
        "seed": log.seed,
        "updates": log.updates,
        "train_seconds": round(log.seconds),
        "train_gpu": log.gpu,
        "validation": {"updates": int(log.best.get("num_updates", 0)), **figures},
    }


def describe_conditions(conditions: Conditions) -> Row:
    """Returns everything a measured row depends on besides model and test set."""
    return {
        **asdict(conditions),
        "clocks": [asdict(clock) for clock in conditions.clocks],  # as JSON reads it
        "processor": processor(conditions.device),
        "versions": versions(),
    }
