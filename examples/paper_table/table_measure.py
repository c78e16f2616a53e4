"""Owns the measuring of a table's rows: each is written as soon as it is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstart_measure import find_device
from quickstart_plan import LANGS, corpus_stamp, say
from steps import sha256
from table_config import TEACHER
from table_curves import read_curves
from table_plan import KIND, TablePlan, Unit, is_trained, wanted

from vq_nat import load
from vq_nat.bench import systems
from vq_nat.bench.quality import score
from vq_nat.bench.timing import pinned_threads
from vq_nat.bench.training_log import read_log


def measure_all(plan: TablePlan, failed: dict[str, str]) -> None:
    """Measures every missing row whose model is on disk, and names the others."""
    measure_ready(plan, failed)
    for unit in wanted(plan):
        if unit.name not in failed:
            say(f"{unit.name}: not measured, as its model is not trained")


def measure_ready(plan: TablePlan, failed: dict[str, str]) -> None:
    """Measures every missing row whose model is on disk.

    Args:
        plan: which rows, where, and on which machine.
        failed: rows not to be tried again, with the reasons; gets those that fail now.
    """
    units = [unit for unit in wanted(plan) if unit.name not in failed]
    ready = [unit for unit in units if is_trained(plan, unit.job)]
    if not ready:
        return
    conditions = read_conditions(plan)
    test_sets = read_test_sets(plan)
    for unit in ready:
        say(f"Measuring {unit.name}: {unit.row.label}")
        try:
            row = measure(plan, unit, test_sets, conditions)
        except (ImportError, OSError, ValueError) as error:
            failed[unit.name] = str(error)
            say(f"      failed: {error}")
            continue
        systems.write_json(row, plan.row_path(unit))
        say(
            f"      BLEU {row['bleu']:.1f}, "
            f"{row['latency_ms']['median']:.1f} ms/sentence; {plan.row_path(unit)}"
        )


def read_conditions(plan: TablePlan) -> systems.Conditions:
    """Returns how all rows are measured."""
    options = {k.replace("-", "_"): v for k, v in plan.table.measure.items()}
    return systems.Conditions(device=find_device(plan), threads=plan.threads, **options)


def read_test_sets(plan: TablePlan) -> list[systems.TestSet]:
    """Reads the raw test sets and all their references, the main one first."""
    return [
        read_test_set(plan.corpus / "raw", plan.table.name, name, file)
        for name, file in plan.table.corpus["test-sets"].items()
    ]


def read_test_set(raw: Path, corpus: str, name: str, file: str) -> systems.TestSet:
    """Reads FILE.{en,de}, and FILE.refs.json if every translation is known."""
    source, target = (systems.read_lines(raw / f"{file}.{lang}") for lang in LANGS)
    several = raw / f"{file}.refs.json"
    references = [[line] for line in target]
    if several.is_file():
        references = json.loads(several.read_text(encoding="utf-8"))
    return systems.TestSet(corpus, name, source, references, several.is_file())


def measure(
    plan: TablePlan,
    unit: Unit,
    test_sets: Sequence[systems.TestSet],
    conditions: systems.Conditions,
) -> dict[str, Any]:
    """Returns a row: what was measured, and all that the report needs of it."""
    log = log_of(plan, unit)
    row = measure_plain(plan, unit, test_sets[0], conditions, log)
    model = unit.job.model
    return {
        "kind": KIND,
        "row": unit.row.name,
        "config": unit.hash,
        "model": model.name,
        "text": model.text,
        "inputs": describe_inputs(plan, unit),
        **row,
        "curves": read_curves(log) if log else None,
    }


def measure_plain(
    plan: TablePlan,
    unit: Unit,
    test_set: systems.TestSet,
    conditions: systems.Conditions,
    log: Path | None,
) -> dict[str, Any]:
    """Scores and times a model of ours or of fairseq."""
    options = decoding_of(plan, unit)
    translator = load(
        plan.checkpoint(unit.job),
        device=conditions.device,
        autocast=conditions.autocast,
        **options,
    )
    with pinned_threads(conditions.threads):
        outputs = translator.translate(test_set.sources, conditions.batch_size)
        speed = systems.measure_speed(
            translator.translate, test_set.sources, conditions
        )
    quality = score(outputs, test_set.references, test_set.complete)
    return {
        "system": unit.name,
        "label": unit.row.label,
        "corpus": test_set.corpus,
        "test_set": test_set.name,
        "sentences": len(test_set.sources),
        **systems.describe_quality(quality),
        **speed,
        "decoding": unit.row.decoding,
        **systems.describe_training(read_log(log) if log else None),
        **systems.describe_machine(conditions),
    }


def log_of(plan: TablePlan, unit: Unit) -> Path | None:
    """Returns the log of a training; a model made elsewhere may have none."""
    path = plan.checkpoint(unit.job).parent / "train.log"
    return path if path.is_file() else None


def decoding_of(plan: TablePlan, unit: Unit) -> dict[str, Any]:
    """Returns the options of decoding; `teacher` becomes its checkpoint."""
    options = dict(unit.row.decoding)
    if options.pop(TEACHER, False):
        options[TEACHER] = plan.teacher
    return options


def describe_inputs(plan: TablePlan, unit: Unit) -> dict[str, str]:
    """Returns the hashes of what was measured, and of what it was made from."""
    text = plan.text(unit.job.model.text)
    inputs = {
        "checkpoint": sha256(plan.checkpoint(unit.job)),
        "text": sha256(corpus_stamp(text)),
    }
    if plan.teacher.is_file():
        inputs["teacher"] = sha256(plan.teacher)
    return inputs
