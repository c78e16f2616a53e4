"""An exported model's translations are taken apart as its model's are."""

from functools import partial
from typing import Any

import pytest
import torch
from fairseq.data import Dictionary

import vq_nat
from vq_nat import engine
from vq_nat.engine.runtime import load_folder

pytestmark = pytest.mark.skipif(not engine.available(), reason="no engine")


@pytest.fixture
def words(letters: Dictionary) -> Dictionary:
    """Letters and digits, of the teacher as well."""
    return letters


SHORT = ["a b c", "d e f g h a b", "k", "t s r q p"]


@pytest.mark.parametrize(
    "options",
    [{}, {"vq_slices": 2}, {"vq_kind": "words", "words_per_code": 2}],
    ids=str,
)
def test_translations_are_taken_apart_as_before(
    build_latent: Any, exported: Any, by_torch: Any, options: dict[str, Any]
) -> None:
    model = build_latent(shown_sentences=0.5, **options)
    torch.nn.init.normal_(model.hidden_word)
    ours, theirs = vq_nat.load(exported(model)), by_torch(model)
    given: list[Any] = [None] * len(SHORT)
    for _ in range(2):
        inspections = ours.inspect(SHORT, given, rivals=3, passes=2)
        others = theirs.inspect(SHORT, given, rivals=3, passes=2)
        for own, other in zip(inspections, others, strict=True):
            assert (own.text, own.tokens) == (other.text, other.tokens)
            assert own.passes == other.passes and own.passes[-1] == own.tokens
            assert own.score == pytest.approx(other.score, abs=1e-3)
            assert own.words_per_code == other.words_per_code == model.chunk
            named = [one.code_name(own.codes[0][0]) for one in (ours, theirs)]
            words = options.get("vq_kind") == "words"
            assert named == [own.tokens[model.chunk - 1] if words else None] * 2
            for step, same in zip(own.steps, other.steps, strict=True):
                figures = [r.probability for r in step.rivals]
                assert [r.codes for r in step.rivals] == [r.codes for r in same.rivals]
                wanted = [r.probability for r in same.rivals]
                assert figures == pytest.approx(wanted, rel=1e-4)
                assert figures == sorted(figures, reverse=True) and len(figures) == 3
                assert step.probability == pytest.approx(same.probability, rel=1e-4)
        given = [[*o.codes[:-1], o.steps[-1].rivals[0].codes] for o in inspections]
        assert [one.codes for one in inspections] != given


@pytest.mark.parametrize(
    "options", [{"vq_slices": 2}, {"vq_kind": "words", "words_per_code": 2}], ids=str
)
@pytest.mark.parametrize("decoding", [{"candidates": 3}, {"code_beam": 3}], ids=str)
def test_what_is_taken_apart_is_what_is_translated(
    build_latent: Any,
    exported: Any,
    options: dict[str, Any],
    decoding: dict[str, int],
) -> None:
    translator = load_folder(exported(build_latent(**options)), **decoding)
    inspections = translator.inspect(SHORT, rivals=2)
    for one, hypothesis in zip(inspections, translator.hypotheses(SHORT), strict=True):
        assert (one.text, one.codes) == (hypothesis.text, hypothesis.codes)
        assert one.tokens == hypothesis.tokens
        assert one.score == pytest.approx(hypothesis.score, abs=1e-4)
        place = len(one.steps) - 1
        for rival in one.steps[place].rivals:  # what it would be if it were taken
            codes = [*one.codes[:place], rival.codes]
            sentence = SHORT[inspections.index(one)]
            (other,) = translator.inspect([sentence], [codes], rivals=0)
            assert other.steps[place].probability == pytest.approx(rival.probability)
            for before, same in zip(one.steps[:-1], other.steps[:-1], strict=True):
                assert same.probability == pytest.approx(before.probability)


def test_many_are_taken_apart_some_at_a_time(
    build_latent: Any, by_torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_latent(vq_slices=2)
    translator, encode, sizes = by_torch(model), model.encode, []
    at_once = translator.inspect(SHORT * 3, rivals=2)

    def counted(tokens: torch.Tensor) -> Any:
        sizes.append(len(tokens))
        return encode(tokens)

    monkeypatch.setattr(model, "encode", counted)
    parts = translator.inspect(SHORT * 3, rivals=2, batch_size=5)
    assert max(sizes) == 5
    for one, same in zip(parts, at_once, strict=True):
        assert (one.text, one.codes, one.passes) == (same.text, same.codes, same.passes)
        assert one.score == pytest.approx(same.score, abs=1e-4)


def test_what_decodes_draws_is_taken_apart(build_latent: Any, by_torch: Any) -> None:
    model = build_latent()
    draws = {"candidates": 2, "code_search": "sample", "temperature": 0.8}
    codes = [[[3], [5]]]
    one, same = by_torch(model, **draws), by_torch(model)
    assert one.inspect(["a b"], codes) == same.inspect(["a b"], codes)


def not_taken_apart(
    translator: Any, message: str, sentences: list[str], *codes: Any
) -> None:
    """Expects a refusal of sentences, with codes or without."""
    with pytest.raises(ValueError, match=message):
        translator.inspect(sentences, codes or None)


def test_what_cannot_be_taken_apart_is_refused(
    build_latent: Any, teacher_of: Any, exported: Any, by_torch: Any
) -> None:
    model = build_latent(vq_slices=2)
    words = build_latent(vq_kind="words", words_per_code=2)
    long = "a b " * 70
    for one in (load_folder(exported(model)), by_torch(model)):
        refused = partial(not_taken_apart, one)
        refused("sentence 2 must have words, but has none", ["a", " "])
        refused("sentence 1 must be short enough .* cut into 3 pieces", [long])
        refused("`codes` must be for each of 2 sentences, but are for 1", ["a"] * 2, [])
        refused("must have from 1 to 8 steps, but have 0", ["a"], [])
        refused("must have from 1 to 8 steps, but have 9", ["a"], [[0, 0]] * 9)
        refused("must have 2 codes, one of each slice, but one has 1", ["a"], [[1]])
        refused("must be from 0 to 15, but one is 16", ["a"], [[0, 16]])
        assert one.inspect([]) == []
    for one in (load_folder(exported(words, name="words")), by_torch(words)):
        with pytest.raises(ValueError, match="39 and not 0 or 1, but one is 1"):
            one.inspect(["a"], [[[1]]])
    teacher = load_folder(exported(teacher_of(True), name="teacher"))
    with pytest.raises(ValueError, match="the model must have codes, but has none"):
        teacher.inspect(["a"])
    aligned = by_torch(build_latent(alignment="ctc"))
    with pytest.raises(ValueError, match="must have `alignment` 'positions' to be tak"):
        aligned.inspect(["a"])
    assert len(aligned.codes(["a"])) == 1
