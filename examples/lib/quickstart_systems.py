"""Owns the systems that the quickstart measures: models, and what runs them.

The trained models in PyTorch, and what a user would take in their place for speed: our
engine, which runs them all, and CTranslate2, which runs the teacher; both with weights
of 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from examples.lib.progress import say
from examples.lib.quickstart_plan import SEED, WORDS, QuickstartPlan
from vq_nat import engine
from vq_nat.bench.systems import System
from vq_nat.results.lines import BEAM, CTRANSLATE2, GREEDY

ENGINE = "vq-nat"
INT8 = {"compute_type": "int8"}
BASES = (BEAM, GREEDY, CTRANSLATE2)  # every other system is timed beside these, in turn


@dataclass(frozen=True)
class Decoder:
    """How a system decodes.

    Attributes:
        label: for readers.
        model: the folder of its checkpoint.
        decoding: options of `vq_nat.load`; `teacher: true` is the quickstart's.
        engine: one of `vq_nat.bench.engines.ENGINES`.
    """

    label: str
    model: str
    decoding: dict[str, Any] = field(default_factory=dict)
    engine: str = "torch"


TEACHER = "autoregressive teacher"
STUDENT = "latent student on the teacher's output"
OF_WORDS = "words as codes on the teacher's output"
IN_PYTORCH = {
    BEAM: Decoder(f"{TEACHER}, beam 4", "teacher", {"beam": 4}),
    GREEDY: Decoder(f"{TEACHER}, greedy", "teacher", {"beam": 1}),
    "student": Decoder(STUDENT, "student"),
    WORDS: Decoder(OF_WORDS, WORDS),
    "student-raw": Decoder("latent student on the human text", "student-raw"),
}


def in_our_engine(student: str, label: str) -> dict[str, Decoder]:
    """Returns a student in our engine: in one pass, and ranked by the teacher."""
    ranked = f"{label}, 4 candidates ranked by the teacher, in our engine"
    by_teacher = {"candidates": 4, "teacher": True}
    return {
        f"{student}-engine": Decoder(f"{label}, in our engine", student, {}, ENGINE),
        f"{student}-npd4-engine": Decoder(ranked, student, by_teacher, ENGINE),
    }


ELSEWHERE = {
    "teacher-beam4-ctranslate2": Decoder(
        f"{TEACHER}, beam 4, in CTranslate2", "teacher", {"beam": 4}, "ctranslate2"
    ),
    CTRANSLATE2: Decoder(
        f"{TEACHER}, greedy, in CTranslate2", "teacher", {"beam": 1}, "ctranslate2"
    ),
    "teacher-beam4-engine": Decoder(
        f"{TEACHER}, beam 4, in our engine", "teacher", {"beam": 4}, ENGINE
    ),
    "teacher-greedy-engine": Decoder(
        f"{TEACHER}, greedy, in our engine", "teacher", {"beam": 1}, ENGINE
    ),
    **in_our_engine("student", STUDENT),
    **in_our_engine(WORDS, OF_WORDS),
}
AT_HAND: dict[str, tuple[str, Callable[[], bool]]] = {
    "ctranslate2": ("CTranslate2", lambda: find_spec("ctranslate2") is not None),
    ENGINE: ("our engine", engine.available),
}


def read_systems(plan: QuickstartPlan) -> list[System]:
    """Returns the teacher and every student in PyTorch, then what runs them faster.

    Engines that are not installed are named and left out.
    """
    known = {name: decoder_of(name) for name in (BEAM, GREEDY, *plan.students)}
    missing = [name for name, (_, is_there) in AT_HAND.items() if not is_there()]
    for name in missing:
        say(f"      without {AT_HAND[name][0]}, which is not installed")
    trained = ("teacher", *plan.students)
    known |= {
        name: one
        for name, one in ELSEWHERE.items()
        if one.engine not in missing and one.model in trained
    }
    return [system_of(plan, *one) for one in known.items()]


def system_of(plan: QuickstartPlan, name: str, decoder: Decoder) -> System:
    """Returns what is measured."""
    folder, decoding = plan.work / decoder.model, dict(decoder.decoding)
    if decoding.get("teacher"):
        decoding["teacher"] = plan.teacher
    if decoder.engine != "torch":
        decoding |= INT8
    return System(
        name,
        decoder.label,
        folder / "checkpoint_best.pt",
        folder / "train.log",
        engine=decoder.engine,
        decoding=decoding,
    )


def decoder_of(name: str) -> Decoder:
    """Returns how a model decodes in PyTorch; a further seed like the first."""
    if not name.startswith(SEED):
        return IN_PYTORCH[name]
    return Decoder(f"{STUDENT}, seed {name.removeprefix(SEED)}", name)
