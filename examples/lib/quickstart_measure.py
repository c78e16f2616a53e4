"""Owns the quickstart's results: the tables and the translated examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import vq_nat
from data_prep.lib.steps import once, sha256
from data_prep.lib.teachers import find_device
from data_prep.lib.typed import read_as
from examples.lib.places import LANGS, corpus_stamp
from examples.lib.progress import say
from examples.lib.quickstart_plan import QuickstartPlan
from examples.lib.quickstart_systems import BASES, read_systems
from examples.lib.selection import SELECTION
from examples.lib.trainings import RECIPE_VERSION
from examples.lib.weights import weights_of
from vq_nat.bench.conditions import Conditions, describe_conditions
from vq_nat.bench.engines import ON_CPU, describe_decoding
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.speed import measure_beside
from vq_nat.bench.systems import System
from vq_nat.results.report import full_report
from vq_nat.results.rows import Row, row_path, write_row
from vq_nat.results.tables import milliseconds
from vq_nat.writing import json_or_none

EXAMPLES = 5


def measure(plan: QuickstartPlan) -> str:
    """Scores and times every system on the test set, and prints the tables."""
    conditions = read_conditions(plan)
    test_set = read_test_set(plan)
    rows = []
    known = read_systems(plan)
    for system in known:
        bases = bases_of(system, known, conditions)
        own = conditions_of(system, conditions)
        row, state = measure_one(plan, system, bases, test_set, own)
        rows.append(row)
        speed = f"{milliseconds(row['latency_ms']['median'])} ms/sentence"
        say(f"      {system.name}: BLEU {row['bleu']:.1f}, {speed} ({state})")
    tables = full_report(rows)
    path = plan.work / "results.md"
    path.write_text(tables + "\n", encoding="utf-8")
    say(f"\n{tables}\n")
    return f"tables in {path}, rows in {plan.rows / test_set.corpus}"


def conditions_of(system: System, conditions: Conditions) -> Conditions:
    """Returns how a system is measured: some engines know the processor alone."""
    return replace(conditions, device="cpu") if system.engine in ON_CPU else conditions


def bases_of(
    system: System, known: Sequence[System], conditions: Conditions
) -> list[System]:
    """Returns what a system is timed beside, in turn: those of `BASES` before it.

    Args:
        system: that is timed.
        known: all systems.
        conditions: of the quickstart; what runs elsewhere compares with nothing there.
    """
    if conditions_of(system, conditions) != conditions:
        return []
    before = BASES[: BASES.index(system.name)] if system.name in BASES else BASES
    return [one for one in known if one.name in before]


def measure_one(
    plan: QuickstartPlan,
    system: System,
    bases: Sequence[System],
    test_set: TestSet,
    conditions: Conditions,
) -> tuple[Row, str]:
    """Returns a system's row, measured anew only if something has changed.

    Args:
        plan: where.
        system: what is measured.
        bases: what it is timed beside, in turn.
        test_set: on what.
        conditions: how.
    """
    sources = corpus_stamp(plan.corpus)
    is_ranked = bool(system.decoding.get("teacher"))
    recipe = {
        "version": RECIPE_VERSION,
        "system": system.name,
        "decoding": describe_decoding(system.decoding),
        "beside": [base.name for base in bases],
        "corpus": f"{test_set.corpus}/{test_set.name}",
        "conditions": describe_conditions(conditions),
        "inputs": {
            "checkpoint": weights_of(system.checkpoint),
            "teacher": weights_of(plan.teacher) if is_ranked else None,
            "text": sha256(sources.with_name("raw.json")),
        },
    }
    stamp = plan.stamp(f"measure-{system.name}")
    path = row_path(plan.rows, test_set.corpus, system.name)

    def make() -> None:
        in_turn = measure_beside(bases, system, test_set, conditions)
        # Last, as it writes the outputs, which belong to the row.
        row = measure_system(system, [test_set], conditions, beside=path)
        row |= in_turn
        if selection := json_or_none(system.checkpoint.with_name(SELECTION)):
            row["selection"] = selection  # its checkpoint is not the log's best one
        write_row(row, plan.rows)

    state = "measured" if once(stamp, recipe, path, make) else "reused"
    return json_or_none(path), state


def read_conditions(plan: QuickstartPlan) -> Conditions:
    """Returns how the preset wants systems to be measured."""
    return read_as(
        Conditions,
        "`measure` of the preset",
        plan.preset["measure"],
        device=find_device(plan.device),
        threads=plan.threads,
    )


def read_test_set(plan: QuickstartPlan, name: str | None = None) -> TestSet:
    """Reads a raw test set and all its references; None = the preset's test set."""
    corpus = plan.preset["corpus"]
    shown = name or corpus.get("test-set", "test")
    return TestSet.read(
        plan.corpus / "raw", corpus["name"], shown, LANGS, name or "test"
    )


# ---------------------------------------------------------------------------- examples


def show_examples(plan: QuickstartPlan) -> str:
    """Prints translations, with the words that each code produced."""
    student = vq_nat.load(plan.work / "student", device=find_device(plan.device))
    words_per_code = student.model.chunk
    sources = read_test_set(plan).sources[:EXAMPLES]
    for source, output in zip(sources, student.hypotheses(sources), strict=True):
        say(f"\n      {LANGS[0]}  {source}\n      {LANGS[1]}  {output.text}")
        for index, code in enumerate(output.codes):
            chunk = output.tokens[index * words_per_code :][:words_per_code]
            name = "+".join(map(str, code))
            say(f"      {name:>10}  {join_subwords(chunk)}")
    say("")
    return f"each code stands for {words_per_code} subwords"


def join_subwords(tokens: list[str]) -> str:
    """Joins the subwords of one code; a word cut by the code's end keeps a hyphen."""
    words = " ".join(t for t in tokens if t != "</s>").replace("@@ ", "")
    return words.removesuffix("@@") + "-" if words.endswith("@@") else words or "(end)"
