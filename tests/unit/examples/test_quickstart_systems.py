"""The quickstart's systems: students, their seeds, and the engines that are there."""

from dataclasses import replace
from pathlib import Path

import pytest

from examples.lib import quickstart_systems
from examples.lib.quickstart_measure import bases_of, conditions_of
from examples.lib.quickstart_plan import QuickstartPlan
from examples.lib.quickstart_systems import AT_HAND, decoder_of, read_systems
from vq_nat.bench.conditions import Conditions


@pytest.fixture
def plan(tmp_path: Path) -> QuickstartPlan:
    """A plan with two further students."""
    return QuickstartPlan(
        kind="demo",
        work=tmp_path,
        data=None,
        threads=1,
        device="cpu",
        preset={"student": {"seed": 1, "max-update": 5}},
        rows=tmp_path / "rows",
        compare=True,
        seeds=(2, 5),
    )


def test_students_of_other_seeds_differ_in_nothing_else(plan: QuickstartPlan) -> None:
    names = ["student", "student-seed2", "student-seed5", "student-raw"]
    assert list(plan.students) == names
    assert [plan.flags_of(name)["seed"] for name in names] == [1, 2, 5, 1]
    assert plan.flags_of("student-seed5") == {"seed": 5, "max-update": 5}
    assert plan.students["student-seed2"] == plan.students["student"] != plan.corpus
    assert decoder_of("student-seed2").label.endswith("teacher's output, seed 2")
    assert decoder_of("student-seed2").decoding == decoder_of("student").decoding


def test_a_student_with_words_as_codes_is_one_of_the_preset(
    plan: QuickstartPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AT_HAND, "vq-nat", ("our engine", lambda: True))
    with_words = {**plan.preset, "words": {"vq-kind": "words", "max-update": None}}
    more = replace(plan, preset=with_words)
    assert more.flags_of("words") == {"seed": 1, "vq-kind": "words"}
    assert more.flags_of("student") == plan.flags_of("student")
    assert more.students["words"] == plan.distilled and "words" not in plan.students
    without, systems = ([s.name for s in read_systems(one)] for one in (plan, more))
    own = {"words", "words-engine", "words-npd4-engine"}
    assert set(systems) - set(without) == own


FASTER = {
    "vq-nat": [
        "teacher-beam4-engine",
        "teacher-greedy-engine",
        "student-engine",
        "student-npd4-engine",
    ],
    "ctranslate2": ["teacher-beam4-ctranslate2", "teacher-greedy-ctranslate2"],
}


@pytest.mark.parametrize("missing", [(), ("vq-nat",), ("ctranslate2",), tuple(FASTER)])
def test_engines_that_are_not_there_are_named_and_left_out(
    plan: QuickstartPlan,
    missing: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in FASTER:
        label = AT_HAND[name][0]
        there = name not in missing
        monkeypatch.setitem(AT_HAND, name, (label, lambda there=there: there))
    systems = {system.name: system for system in read_systems(plan)}
    wanted = ["teacher-beam4", "teacher-greedy", *plan.students]
    wanted += [k for name, own in FASTER.items() for k in own if name not in missing]
    assert sorted(systems) == sorted(wanted)
    assert capsys.readouterr().out.count("which is not installed") == len(missing)
    for system in systems.values():
        is_fast = system.engine != "torch"
        assert system.decoding.get("compute_type") == ("int8" if is_fast else None)
    if "vq-nat" not in missing:
        assert systems["student-npd4-engine"].decoding["teacher"] == plan.teacher


def test_each_system_is_timed_beside_those_that_others_are_set_beside(
    plan: QuickstartPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (label, _) in AT_HAND.items():
        monkeypatch.setitem(quickstart_systems.AT_HAND, name, (label, lambda: True))
    systems = read_systems(plan)

    def beside(name: str, device: str = "cpu") -> list[str]:
        system = next(one for one in systems if one.name == name)
        known = bases_of(system, systems, Conditions(device=device))
        return [one.name for one in known]

    runtime = "teacher-greedy-ctranslate2"
    assert beside("teacher-beam4") == []
    assert beside("teacher-greedy") == ["teacher-beam4"]
    assert beside(runtime) == ["teacher-beam4", "teacher-greedy"]
    assert beside("student-engine") == ["teacher-beam4", "teacher-greedy", runtime]
    assert beside("student", "cuda") == ["teacher-beam4", "teacher-greedy", runtime]
    assert beside("student-engine", "cuda") == []


def test_the_engine_runs_on_the_processor_whatever_the_others_run_on(
    plan: QuickstartPlan,
) -> None:
    on_gpu = Conditions(device="cuda")
    devices = {s.engine: conditions_of(s, on_gpu).device for s in read_systems(plan)}
    assert devices["torch"] == "cuda" and devices.get("vq-nat", "cpu") == "cpu"
