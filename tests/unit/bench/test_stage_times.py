"""Every stage of a sentence has its own time; what is left over is the host's."""

from types import SimpleNamespace
from typing import Any

import pytest

from vq_nat.bench import stages
from vq_nat.bench.conditions import Rules
from vq_nat.bench.stages import profile_stages
from vq_nat.translation.decoding import generator

RULES = Rules(warm_up=1, repeats=1)


class Model:
    """A latent model whose doors take their time on a clock of their own."""

    device = "cpu"

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds

    def encode(self) -> None:
        self.spend(1.0)

    @property
    def predictor(self) -> "Model":
        return self

    def step(self) -> None:
        self.spend(1.5)

    def search(self) -> None:
        for _ in range(4):  # a beam goes on after the best candidate's end
            self.step()

    def lookup(self) -> None:
        self.spend(0.25)

    def decode(self) -> None:
        self.spend(2.0)

    def true_codes(self) -> None:
        self.spend(0.5)

    true_latents = true_codes


class Translator:
    """Refines once, and lets a teacher judge if it has one."""

    def __init__(self, model: Model, teacher_seconds: float) -> None:
        self.model, self.teacher_seconds = model, teacher_seconds
        self.codec = SimpleNamespace(
            pieces=lambda: model.spend(0.125), decode=lambda: model.spend(0.0625)
        )

    def hypotheses(self, sentences: list[str]) -> list[Any]:
        model = self.model
        self.codec.pieces()
        model.encode()
        generator.search()  # type: ignore[call-arg]
        model.lookup()
        model.decode()
        model.true_codes()
        model.decode()
        model.spend(self.teacher_seconds)
        self.codec.decode()
        hypothesis = SimpleNamespace(
            codes=[[1], [2]], teacher_seconds=self.teacher_seconds, text=""
        )
        return [hypothesis] * len(sentences)

    def translate(self, sentences: list[str]) -> list[str]:
        return [one.text for one in self.hypotheses(sentences)]


class Foreign:
    """Another engine, of whose inside nothing is known."""

    def __init__(self, clock: Model) -> None:
        self.clock = clock
        self.codec = SimpleNamespace(
            pieces=lambda: clock.spend(0.125), decode=lambda: clock.spend(0.0625)
        )

    def run_engine(self) -> None:
        self.clock.spend(4.0)

    def translate(self, sentences: list[str]) -> list[str]:
        self.codec.pieces()
        self.run_engine()
        self.clock.spend(0.25)
        self.codec.decode()
        return sentences


class Parallel:
    """One of fairseq's parallel models, whose passes may be made in pieces."""

    device = "cpu"

    def __init__(self, clock: Model) -> None:
        self.clock = clock

    def forward_encoder(self) -> None:
        self.clock.spend(1.0)

    def forward_decoder(self) -> None:
        self.clock.spend(2.0)


class ParallelTranslator:
    """Two passes, of two pieces each."""

    def __init__(self, clock: Model) -> None:
        self.model = Parallel(clock)
        self.codec = SimpleNamespace(
            pieces=lambda: clock.spend(0.125), decode=lambda: clock.spend(0.0625)
        )

    def hypotheses(self, sentences: list[str]) -> list[Any]:
        self.codec.pieces()
        self.model.forward_encoder()
        for _ in range(2 * 2):
            self.model.forward_decoder()
        self.codec.decode()
        return [SimpleNamespace(codes=None, passes=1, teacher_seconds=0.0)]

    def translate(self, sentences: list[str]) -> list[Any]:
        return self.hypotheses(sentences)


def test_a_word_is_a_step_of_an_autoregressive_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Model()
    monkeypatch.setattr(stages, "time", clock)
    model = SimpleNamespace(
        device="cpu",
        forward_decoder=None,
        encoder=SimpleNamespace(forward=lambda: clock.spend(1.0)),
        decoder=SimpleNamespace(forward=lambda: clock.spend(2.0)),
    )

    def translate(sentences: list[str]) -> list[Any]:
        model.encoder.forward()
        for _ in range(3):
            model.decoder.forward()
        return [SimpleNamespace(codes=None, teacher_seconds=0.0)]

    translator = SimpleNamespace(
        model=model,
        codec=SimpleNamespace(pieces=None, decode=None),
        hypotheses=translate,
        translate=translate,
    )
    row = profile_stages(translator, ["a"], RULES)
    assert (row["encode"], row["decode"], row["steps"]) == (1000, 6000, 3)
    assert row["per_step"] == 2000


def test_a_pass_is_a_step_in_however_many_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Model()
    monkeypatch.setattr(stages, "time", clock)
    row = profile_stages(ParallelTranslator(clock), ["a"], RULES)
    assert (row["encode"], row["decode"], row["predict"]) == (1000, 8000, 0)
    assert (row["steps"], row["per_step"]) == (2, 4000)


@pytest.mark.parametrize("teacher", [0.0, 8.0])
def test_the_compressor_and_the_teacher_are_not_the_host(
    teacher: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model()
    monkeypatch.setattr(stages, "time", model)
    monkeypatch.setattr(generator, "search", model.search)
    row = profile_stages(Translator(model, teacher), ["a", "b"], RULES)
    times = {name: row[name] / 1000 for name in row if name != "steps"}
    assert times == {
        "total": 11.9375 + teacher,
        "tokenise": 0.125,
        "encode": 1.0,
        "predict": 6.0,
        "decode": 4.0,
        "recode": 0.5,
        "rescore": teacher,
        "detokenise": 0.0625,
        "host": 0.25,
        "per_step": 1.5,
    }
    assert row["steps"] == 4


def test_a_foreign_engine_is_one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Model()
    monkeypatch.setattr(stages, "time", clock)
    row = profile_stages(Foreign(clock), ["a", "b"], RULES)
    assert {name: row[name] / 1000 for name in row} == {
        "total": 4.4375,
        "tokenise": 0.125,
        "engine": 4.0,
        "detokenise": 0.0625,
        "host": 0.25,
    }


def test_the_doors_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    monkeypatch.setattr(stages, "time", model)
    monkeypatch.setattr(generator, "search", model.search)
    profile_stages(Translator(model, 0.0), ["a"], RULES)
    assert not {"encode", "decode", "true_codes", "step"} & vars(model).keys()
    assert generator.search == model.search


class Graphs:
    """The graphs of an exported model."""

    def __init__(self, clock: Model) -> None:
        self.clock = clock

    def run_arrays(self, graph: str, inputs: dict[str, Any]) -> None:
        self.clock.spend(1.0)


def test_steps_of_an_exported_model_are_runs_of_its_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Exported(Model):
        def search(self) -> None:
            for graph in ("step", "step", "encode"):
                self.sessions.run_arrays(graph, {})

    model = Exported()
    model.sessions = Graphs(model)  # type: ignore[attr-defined]
    monkeypatch.setattr(stages, "time", model)
    monkeypatch.setattr(generator, "search", model.search)
    row = profile_stages(Translator(model, 0.0), ["a"], RULES)
    assert row["steps"] == 2 and row["per_step"] == 1500


def test_what_a_device_still_has_to_do_is_no_time_of_the_next_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It works behind one's back; each stage has its own work and all of that."""
    clock, waiting = Model(), [5.0]
    monkeypatch.setattr(stages, "time", clock)

    def wait() -> None:
        clock.spend(sum(waiting))
        waiting.clear()

    watch = stages.Stopwatch(wait)
    watch.timed("stage", lambda: waiting.append(2.0))()
    assert (watch.seconds["stage"], clock.now) == (2.0, 7.0)
