"""Owns the quickstart's results: the tables and the translated examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import vq_nat
from data_prep.lib.steps import once, sha256
from data_prep.lib.teachers import find_device
from data_prep.lib.typed import read_as
from examples.lib.places import LANGS, corpus_stamp
from examples.lib.progress import say
from examples.lib.quickstart_plan import SEED, QuickstartPlan
from examples.lib.selection import SELECTION
from examples.lib.trainings import RECIPE_VERSION
from examples.lib.weights import weights_of
from vq_nat.bench.conditions import Conditions, describe_conditions
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.speed import measure_beside
from vq_nat.bench.systems import System
from vq_nat.results.report import full_report
from vq_nat.results.rows import Row, row_path, write_row
from vq_nat.writing import json_or_none

EXAMPLES = 5
TEACHERS = ("teacher-beam4", "teacher-greedy")


class Decoder(NamedTuple):
    """A system's name for readers, and how it decodes."""

    label: str
    decoding: dict[str, Any]


DECODERS = {
    "teacher-beam4": Decoder("autoregressive teacher, beam 4", {"beam": 4}),
    "teacher-greedy": Decoder("autoregressive teacher, greedy", {"beam": 1}),
    "student": Decoder("latent student on the teacher's output", {}),
    "student-raw": Decoder("latent student on the human text", {}),
}


def measure(plan: QuickstartPlan) -> str:
    """Scores and times every system on the test set, and prints the tables."""
    conditions = read_conditions(plan)
    test_set = read_test_set(plan)
    rows = []
    known = read_systems(plan)
    teachers = [system for system in known if system.name in TEACHERS]
    for system in known:
        bases = [] if system in teachers else teachers
        row, state = measure_one(plan, system, bases, test_set, conditions)
        rows.append(row)
        speed = f"{row['latency_ms']['median']:.1f} ms/sentence"
        say(f"      {system.name}: BLEU {row['bleu']:.1f}, {speed} ({state})")
    tables = full_report(rows)
    path = plan.work / "results.md"
    path.write_text(tables + "\n", encoding="utf-8")
    say(f"\n{tables}\n")
    return f"tables in {path}, rows in {plan.rows / test_set.corpus}"


def read_systems(plan: QuickstartPlan) -> list[System]:
    """Returns the teacher, with a beam and without, and every student."""
    models = dict.fromkeys(TEACHERS, "teacher")
    models |= {name: name for name in plan.students}
    systems = []
    for name, model in models.items():
        folder, decoder = plan.work / model, decoder_of(name)
        checkpoint = folder / "checkpoint_best.pt"
        systems.append(
            System(
                name,
                decoder.label,
                plan.teacher if model == "teacher" else checkpoint,
                folder / "train.log",
                decoding=decoder.decoding,
            )
        )
    return systems


def decoder_of(name: str) -> Decoder:
    """Returns how a system decodes, and its name for readers."""
    if not name.startswith(SEED):
        return DECODERS[name]
    seed, same = name.removeprefix(SEED), DECODERS["student"]
    return same._replace(label=f"{same.label}, seed {seed}")


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
    recipe = {
        "version": RECIPE_VERSION,
        "system": system.name,
        "decoding": dict(system.decoding),
        "corpus": f"{test_set.corpus}/{test_set.name}",
        "conditions": describe_conditions(conditions),
        "inputs": {
            "checkpoint": weights_of(system.checkpoint),
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
