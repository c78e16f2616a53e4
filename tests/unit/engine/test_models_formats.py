"""Whole models: int8 beside float32, a thousand words, and where the time goes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.translation.conftest import PAD, VOCABULARY, batch
from vq_nat import engine
from vq_nat.engine.packing import read_tensors, write_tensors
from vq_nat.engine.shortlist import lexicon_of
from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule

MANY = 1024


def sources() -> list[list[int]]:
    """Draws 60 sentences of 1 to 20 words."""
    rows = batch([1 + 7 * i % 20 for i in range(60)])
    return [row[row.ne(PAD)].tolist() for row in rows]


@pytest.mark.parametrize("kind", ["latent", "autoregressive"])
def test_int8_chooses_what_float32_chooses(
    model_of: Any, to_engine: Any, options_of: Any, kind: str
) -> None:
    torch.manual_seed(1)
    model = model_of(kind)
    options, rows = options_of(min_length=20, max_len_b=30), sources()
    own, exact = (
        [best for (best,) in to_engine(model, number).translate(rows, options)]
        for number in ("int8", "float32")
    )
    pairs = list(zip(own, exact, strict=True))
    words = [a == b for p, q in pairs for a, b in zip(p.tokens, q.tokens)]
    assert sum(words) >= 0.9 * len(words)
    assert sum(p.codes == q.codes for p, q in pairs) >= 0.9 * len(pairs)


@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_int8_knows_the_order_of_codes_that_it_rounds_to_the_same(
    build_latent: Any, to_engine: Any, options_of: Any, search: str, slices: int
) -> None:
    model = build_latent(vq_slices=slices)
    norm, output = model.predictor.layer_norm, model.predictor.output
    with torch.no_grad():
        norm.weight.zero_()  # the same state always
        norm.bias.fill_(0.5)[0] = 1
        output.weight.zero_(), output.bias.zero_()
        rows = output.weight.view(slices, model.predictor.codes + 1, -1)
        rows[:, 3, 0] = rows[:, 5, 0] = 1  # a step of an integer is 1/127 here
        rows[:, 3, 1:], rows[:, 5, 1:] = 0.003, 0.0039
    ((found,),) = to_engine(model, "int8").translate(
        [[5, 6, 2]], options_of(search=search, length_ratio=5.0)
    )
    assert set(found.codes) == {5}


def prefer_slightly(model: Any, better: int, worse: int) -> None:
    """Lets a model choose one word always, which int8 rounds to the same as another."""
    last = model.decoder.layer_norm
    table = model.decoder.embed_tokens if is_teacher(model) else model.embed_tokens
    with torch.no_grad():
        last.weight.zero_()  # the same state always
        last.bias.fill_(0.5)[0] = 1
        if not is_teacher(model) and model.cfg.vq_kind == "words":
            model.predictor.layer_norm.weight.zero_()
            model.predictor.layer_norm.bias.copy_(last.bias)
        table.weight.zero_()
        table.weight[[better, worse], 0] = 1  # a step of an integer is 1/127 here
        table.weight[better, 1:], table.weight[worse, 1:] = 0.0039, 0.003


def is_teacher(model: Any) -> bool:
    """Tells whether a model writes word for word."""
    return not hasattr(model, "predictor")


@pytest.mark.parametrize(
    ("kind", "search", "shortlist"),
    [
        (kind, search, on)
        for kind in ("codes", "words", "autoregressive")
        for search in ("greedy", "beam")
        for on in (0, 1)
    ],
)
def test_int8_knows_the_order_of_words_that_it_rounds_to_the_same(
    model_of: Any,
    to_engine: Any,
    options_of: Any,
    kind: str,
    search: str,
    shortlist: int,
) -> None:
    model = model_of(kind)
    prefer_slightly(model, better=9, worse=7)
    allowed = [*range(4, VOCABULARY)]
    every = lexicon_of({}, allowed, sources=VOCABULARY, targets=VOCABULARY)
    given = [every] if shortlist else []
    options = options_of(search=search, min_length=8, max_len_b=8, want_scores=True)
    options.width = 3 if search == "beam" and kind == "autoregressive" else 1
    engines = [to_engine(model, number) for number in ("int8", "float32")]
    (own,), (exact,) = (
        one.translate([[5, 6, 2]], options, *given)[0][:1] for one in engines
    )
    assert own.tokens == exact.tokens and set(own.tokens[:-1]) == {9}
    assert own.positional_scores == pytest.approx(exact.positional_scores, abs=0.05)


@pytest.mark.parametrize(
    "lengths",
    [
        {"length_ratio": 3.0},
        {"min_length_ratio": 1.0, "max_length_ratio": 4.0},
        {"search": "lengths", "width": 3},
    ],
    ids=["fixed", "least", "several"],
)
def test_int8_knows_that_order_wherever_the_end_may_be(
    model_of: Any, to_engine: Any, options_of: Any, lengths: dict[str, Any]
) -> None:
    model = model_of("words")
    prefer_slightly(model, better=9, worse=7)
    rows = [[5, 6, 2], [5] * 19 + [2]]
    options = options_of(max_len_b=8, **lengths)
    for translations in to_engine(model, "int8").translate(rows, options):
        for one in translations:
            assert set(one.codes[:-1]) <= {9}


def test_given_words_are_judged_as_they_are_chosen(
    model_of: Any, to_engine: Any, options_of: Any
) -> None:
    model = model_of("words")
    prefer_slightly(model, better=9, worse=7)
    whole = to_engine(model, "int8")
    options = options_of(max_len_b=8, want_scores=True)
    ((best,),) = whole.translate([[5, 6, 2]], options)
    (judged,) = whole.inspect([[5, 6, 2]], [best.codes], 2, options)
    assert judged.translation.score == pytest.approx(best.score, abs=1e-5)
    for step in judged.steps[:-1]:
        assert step.rivals[0].code == 7 and step.rivals[0].score < step.score


@pytest.mark.parametrize("search", ["greedy", "beam"])
@pytest.mark.parametrize("kind", ["vq", "words", "autoregressive"])
def test_numbers_that_overflow_are_refused(
    model_of: Any, to_engine: Any, options_of: Any, kind: str, search: str
) -> None:
    model = model_of(kind)
    with torch.no_grad():
        for layer in [*model.encoder.layers, *model.decoder.layers]:
            layer.fc1.weight.mul_(1e38), layer.fc2.weight.mul_(1e38)
    options = options_of(search=search, width=1 if search == "greedy" else 3)
    with pytest.raises(ValueError, match="numbers must be finite, but overflow"):
        to_engine(model, "float32").translate([[5, 6, 2]], options)


@pytest.mark.parametrize("shared", [True, False])
def test_a_chosen_word_has_the_score_that_it_is_given_when_it_is_asked_for(
    teacher_of: Any, to_engine: Any, options_of: Any, shared: bool
) -> None:
    torch.manual_seed(1)
    model, rows = teacher_of(True), sources()
    if not shared:
        projection = model.decoder.output_projection
        projection.weight = torch.nn.Parameter(torch.randn_like(projection.weight))
    options = options_of(max_len_b=10, want_scores=True)
    whole = to_engine(model, "int8")
    best = [one for (one,) in whole.translate(rows, options)]
    scores = whole.score(rows, [one.tokens for one in best])
    for one, score in zip(best, scores, strict=True):
        assert list(one.positional_scores) == pytest.approx(list(score), abs=1e-5)


def test_a_file_without_rows_in_float32_is_read(
    build_latent: Any, described: Any, options_of: Any
) -> None:
    path, description = described(build_latent(), "int8")
    tensors = read_tensors(Path(path))
    del tensors["predictor.output.rows"], tensors["predictor.output.bias"]
    del tensors["output.of_embedding"]
    write_tensors(Path(path), tensors)
    model = engine.engine().Model(path, description)
    ((found,),) = model.translate([[5, 6, 2]], options_of(max_len_b=5))
    assert found.codes


def test_int8_scores_words_as_float32_does(teacher_of: Any, to_engine: Any) -> None:
    torch.manual_seed(1)
    model, rows = teacher_of(True), sources()
    own, exact = (
        torch.cat([torch.tensor(row) for row in to_engine(model, number).score(*both)])
        for number in ("int8", "float32")
        for both in [(rows, rows)]
    )
    assert (own - exact).abs().max() < 0.1
    assert (own - exact).abs().max() > 0  # two number formats indeed


def test_a_thousand_words_are_translated_as_by_the_model(
    build_latent: Any, to_engine: Any, options_of: Any, words: Any
) -> None:
    model = build_latent(max_source_positions=1100, max_target_positions=1100)
    row = batch([MANY])
    rule = LengthRule(b=MANY + 1, shortest=MANY)
    generator = IterativeLatentGenerator(words, lengths=rule)
    ((wanted,),) = generator.generate([model], {"net_input": {"src_tokens": row}})
    options = options_of(min_length=MANY, max_len_b=MANY + 1)
    ((best,),) = to_engine(model).translate(row.tolist(), options)
    assert best.tokens == wanted.tokens.tolist() and len(best.tokens) > MANY
    assert best.score == pytest.approx(wanted.score, rel=1e-5)
    whole, one = to_engine(model, "int8"), [5, 6, 2]
    both = whole.translate([row[0].tolist(), one], options)
    assert both[1][0].tokens == whole.translate([one], options)[0][0].tokens


def test_stages_have_the_time_of_what_a_model_does(
    build_latent: Any, teacher_of: Any, to_engine: Any, options_of: Any
) -> None:
    rows, options = sources(), options_of(max_len_b=20)
    latent = to_engine(build_latent()).stages(rows, options)
    teacher = to_engine(teacher_of(True)).stages(rows, options)
    assert len(latent) == len(teacher) == 5 and min(latent) > 0
    encode, codes, *others = teacher
    assert codes == 0 and min(encode, *others) > 0
    assert to_engine(build_latent()).stages([], options) == [0.0] * 5


def test_sums_that_would_not_fit_into_32_bits_are_refused(
    build_latent: Any, to_engine: Any, options_of: Any
) -> None:
    most = (2**31 - 1) // (255 * 128)
    wide = build_latent(encoder_embed_dim=4, encoder_ffn_embed_dim=most + 1)
    with pytest.raises(ValueError, match="at most 65793 inputs in int8, but has 65794"):
        to_engine(wide, "int8")
    ((best,),) = to_engine(wide).translate([[5, 6, 2]], options_of(max_len_b=5))
    assert best.tokens
