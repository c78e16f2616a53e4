"""Latent models in the engine: what the PyTorch model and its generator give."""

from typing import Any

import pytest
import torch

from tests.unit.translation.conftest import PAD, batch
from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import SearchOptions

LENGTHS = [7, 1, 12, 3, 30, 2]


def sentences(rows: torch.Tensor) -> list[list[int]]:
    """Returns the words of each row without padding."""
    return [row[row.ne(PAD)].tolist() for row in rows]


def generate(model: Any, words: Any, rows: torch.Tensor, **options: Any) -> Any:
    """Returns what the PyTorch generator finds."""
    generator = IterativeLatentGenerator(words, **options)
    return generator.generate([model], {"net_input": {"src_tokens": rows}})


def agree(translations: Any, wanted: Any, ranked: bool = True) -> None:
    """Checks words and codes, and scores to 1e-4."""
    assert len(translations) == len(wanted)
    for own, other in zip(translations, wanted, strict=True):
        if ranked:
            assert [h.tokens for h in own] == [h.tokens.tolist() for h in other]
        by_words = {tuple(h.tokens.tolist()): h for h in other}
        assert {tuple(h.tokens) for h in own} == by_words.keys()
        for hypothesis in own:
            same = by_words[tuple(hypothesis.tokens)]
            assert hypothesis.codes == same.codes.flatten().tolist()
            assert hypothesis.score == pytest.approx(same.score, abs=1e-4)
            assert hypothesis.code_score == pytest.approx(same.code_score, abs=1e-4)
            assert hypothesis.positional_scores == pytest.approx(
                same.positional_scores.tolist(), abs=1e-4
            )
            assert hypothesis.steps == same.steps
            assert hypothesis.count == same.copies


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vq_slices": 2},
        {"compression_steps": 0},
        {"compression_steps": 1, "decoder_layers": 3, "encoder_layers": 1},
        {"encoder_embed_dim": 40, "encoder_ffn_embed_dim": 56},
    ],
)
def test_greedy_codes_and_words_are_those_of_the_model(
    build_latent: Any, to_engine: Any, words: Any, changes: dict[str, Any]
) -> None:
    model = build_latent(**changes)
    rows = batch(LENGTHS)
    translations = to_engine(model).translate(sentences(rows))
    agree(translations, generate(model, words, rows))


@pytest.mark.parametrize(
    "rule",
    [
        {"most": 1.0, "least": 0.9},
        {"a": 0.5, "b": 3.0},
        {"guarded": True},
        {"fixed": 1.3},
        {"least": 1.5},
        {"shortest": 5},
        {"shortest": 8, "b": 9},  # a code more than the words need, for the end
    ],
)
def test_lengths_keep_the_same_bounds(
    build_latent: Any, to_engine: Any, options_of: Any, words: Any, rule: dict[str, Any]
) -> None:
    model = build_latent(compression_steps=1)
    rows = batch(LENGTHS)
    names = {
        "a": "max_len_a",
        "b": "max_len_b",
        "least": "min_length_ratio",
        "most": "max_length_ratio",
        "fixed": "length_ratio",
        "guarded": "guarded",
        "shortest": "min_length",
    }
    options = options_of(**{names[name]: value for name, value in rule.items()})
    translations = to_engine(model).translate(sentences(rows), options)
    agree(translations, generate(model, words, rows, lengths=LengthRule(**rule)))


@pytest.mark.parametrize("kind", [{}, {"vq_kind": "words", "words_per_code": 3}])
@pytest.mark.parametrize("fixed", [0.0, 3.0])
def test_no_output_is_longer_than_what_was_trained(
    build_latent: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    kind: dict[str, Any],
    fixed: float,
) -> None:
    """A last chunk reaches beyond the 10 positions: 12 words, and their end."""
    model, rows = build_latent(max_target_positions=10, **kind), batch(LENGTHS)
    options = options_of(length_ratio=fixed, min_length=9)
    translations = to_engine(model).translate(sentences(rows), options)
    rule = LengthRule(fixed=fixed, shortest=9)
    agree(translations, generate(model, words, rows, lengths=rule))
    assert max(len(h.tokens) for h, *_ in translations) == 10


@pytest.mark.parametrize(
    ("kind", "changes", "more"),
    [
        ("beam", {}, {}),
        ("beam", {"vq_slices": 2}, {"length_penalty": 0.6}),
        ("beam", {"compression_steps": 1}, {"length_penalty": 0.0}),
        ("sample", {}, {"temperature": 0.7}),
        ("sample", {"vq_slices": 2}, {"seed": 7}),
        ("lengths", {"compression_steps": 1}, {}),
    ],
)
def test_candidates_are_those_of_the_search(
    build_latent: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    kind: str,
    changes: dict[str, Any],
    more: dict[str, Any],
) -> None:
    model = build_latent(**changes)
    rows = batch(LENGTHS)
    rule = LengthRule(most=1.5, guarded=True)
    search = SearchOptions(kind, width=4, **more)
    wanted = generate(model, words, rows, search=search, lengths=rule)
    options = options_of(
        search=kind, width=4, max_length_ratio=1.5, guarded=True, **more
    )
    agree(to_engine(model).translate(sentences(rows), options), wanted)


@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("width", [1, 2])
def test_of_a_wider_beam_the_best_get_words(
    build_latent: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    slices: int,
    width: int,
) -> None:
    model, rows = build_latent(vq_slices=slices), batch([*range(1, 24), *LENGTHS])
    rule = {"max_length_ratio": 1.5, "guarded": True}
    own = [
        to_engine(model).translate(
            sentences(rows), options_of(search="beam", width=width, beam=beam, **rule)
        )
        for beam in (0, 5)
    ]
    wanted = generate(
        model,
        words,
        rows,
        search=SearchOptions("beam", width, beam=5),
        lengths=LengthRule(most=1.5, guarded=True),
    )
    agree(own[1], wanted)
    narrow, wide = ([t[0].codes for t in one] for one in own)
    assert narrow != wide


def test_a_beam_of_a_fixed_length_is_that_of_the_search(
    build_latent: Any, to_engine: Any, options_of: Any, words: Any
) -> None:
    model = build_latent(compression_steps=1)
    rows = batch(LENGTHS)
    search, rule = SearchOptions("beam", width=3), LengthRule(fixed=1.0)
    wanted = generate(model, words, rows, search=search, lengths=rule)
    options = options_of(search="beam", width=3, length_ratio=1.0)
    agree(to_engine(model).translate(sentences(rows), options), wanted)


@pytest.mark.parametrize("most", [0.0, 0.8])
def test_passes_of_refinement_are_those_of_the_generator(
    build_latent: Any, to_engine: Any, options_of: Any, words: Any, most: float
) -> None:
    model = build_latent(shown_sentences=0.5)
    torch.nn.init.normal_(model.hidden_word)
    rows = batch(LENGTHS)
    wanted = generate(model, words, rows, max_iter=3, lengths=LengthRule(most=most))
    options = options_of(passes=3, max_length_ratio=most)
    translations = to_engine(model).translate(sentences(rows), options)
    agree(translations, wanted)
    assert {h.steps for (h,) in translations} - {0}


def test_scores_are_optional(
    build_latent: Any, to_engine: Any, options_of: Any
) -> None:
    model = to_engine(build_latent())
    rows = sentences(batch(LENGTHS))
    plain = model.translate(rows, options_of(want_scores=False))
    wanted = model.translate(rows)
    assert [h.tokens for (h,) in plain] == [h.tokens for (h,) in wanted]
    assert [h.codes for (h,) in plain] == [h.codes for (h,) in wanted]
    assert not any(h.positional_scores or h.score for (h,) in plain)
