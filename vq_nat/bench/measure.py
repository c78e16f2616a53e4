"""Turns a trained system and its test sets into a row, which says how it was measured.

One protocol for all: text in, text out, the same sentences, pinned threads. A row is
one small JSON file, FOLDER/CORPUS/SYSTEM.json; the outputs that it was scored on stand
beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..results.rows import (
    Row,
    ScoredOutputs,
    Scores,
    Training,
    outputs_path,
    write_outputs,
)
from ..results.training_log import TrainingLog, read_log
from ..translation.loading import languages_of
from .conditions import Conditions
from .engines import (
    Engine,
    describe_decoding,
    engine_versions,
)
from .lengths import quality_by_length
from .loaded import LoadedEngine
from .machine import calibrate, describe_machine
from .quality import Quality, comet, score
from .sentences import TestSet
from .speed import measure_speed, measure_stages
from .systems import Opened, System
from .timing import pinned_threads
from .words import broken_share, words_in


def measure_system(
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
        beside: where the row will be kept, at once: the outputs are written beside it
            when all is measured, one file for each test set. None = they are not kept.

    Raises:
        FileNotFoundError: if the checkpoint or the log is missing.
        ValueError: for an unknown engine or option, or an unusable test set.
    """
    refuse_other_test_sets(system, test_sets)
    log = read_log(system.log) if system.log else None
    opened = Opened(system, conditions)
    engine = opened(conditions.device, conditions.threads)
    main = test_sets[0]
    # What is scored is translated first, and warms up what is timed.
    texts = [translate(system, engine, one, conditions) for one in test_sets]
    qualities = [
        measure_quality(*pair, conditions, beside) for pair in zip(texts, test_sets)
    ]
    row: Row = {
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
    keep(texts, test_sets, beside)  # last: a killed run leaves the old row's outputs
    return row


def keep(
    texts: Sequence[list[str]], test_sets: Sequence[TestSet], beside: Path | None
) -> None:
    """Writes what a row was scored on beside it, if that is wanted."""
    if beside is not None:
        for outputs, one in zip(texts, test_sets):
            write_outputs(outputs, beside, one.name)


def refuse_other_test_sets(system: System, test_sets: Sequence[TestSet]) -> None:
    """Refuses test sets of the other direction than the one the system was trained for.

    Raises:
        FileNotFoundError: if the checkpoint is missing.
        ValueError: naming the test set, or if there is none.
    """
    if not test_sets:
        raise ValueError("`test_sets` must hold at least one, but are empty instead.")
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


def translate(
    system: System, engine: Engine, test_set: TestSet, conditions: Conditions
) -> list[str]:
    """Translates a test set."""
    references = test_set.targets if system.needs_references else None
    with pinned_threads(conditions.threads):
        return engine.translate(test_set.sources, conditions.batch_size, references)


def measure_quality(
    outputs: list[str], test_set: TestSet, conditions: Conditions, beside: Path | None
) -> ScoredOutputs:
    """Scores the translations of a test set, and names the file that keeps them."""
    quality = describe_quality(
        score(outputs, test_set.references, test_set.complete, test_set.target_lang),
        comet(test_set.sources, outputs, test_set.targets, conditions.comet),
    )
    kept = None if beside is None else outputs_path(beside, test_set.name).name
    return {
        **quality,
        "broken_words": measure_broken_words(outputs, test_set),
        "by_length": quality_by_length(outputs, test_set),
        "outputs": kept,
    }


def measure_passes(
    system: System, engine: Engine, test_set: TestSet, conditions: Conditions
) -> float | None:
    """Returns how often a verifying teacher reads a sentence in the mean, or None."""
    if not system.decoding.get("verify") or system.needs_references:
        return None
    assert isinstance(engine, LoadedEngine)
    with pinned_threads(conditions.threads):
        passes = engine.passes(test_set.sources, conditions.batch_size)
    return round(sum(passes) / len(passes), 3)


def measure_broken_words(outputs: list[str], test_set: TestSet) -> float | None:
    """Returns the share of broken words; None without the training text."""
    if test_set.training_text is None:
        return None
    known = words_in(test_set.training_text)
    return round(broken_share(outputs, test_set.sources, known), 5)


def describe_quality(quality: Quality, comet_score: float | None = None) -> Scores:
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


def describe_training(log: TrainingLog | None) -> Training:
    """Names updates and time of a training, and validation figures of its best.

    What is measured may be another checkpoint: the last one, a mean, a selected one.
    """
    if log is None:
        return {
            "seed": None,
            "updates": None,
            "train_seconds": None,
            "train_gpu": None,
            "validation": None,
        }
    return {
        "seed": log.seed,
        "updates": log.updates,
        "train_seconds": round(log.seconds),
        "train_gpu": log.gpu,
        "validation": {
            "updates": int(log.best.get("num_updates", 0)),
            "bleu": log.best.get("bleu"),
            "bleu_true_codes": log.best.get("bleu_true_codes"),
            "bleu_true_latents": log.best.get("bleu_true_latents"),
            "code_accuracy": log.best.get("code_accuracy"),
            "perplexity": log.best.get("vq_perplexity"),
            "posterior_entropy": log.best.get("vq_posterior_entropy"),
        },
    }
