"""Autoregressive models in the engine: what fairseq's model and generator give."""

from typing import Any

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator

from tests.unit.translation.conftest import EOS, PAD, batch

LENGTHS = [7, 1, 12, 3, 30, 2]


def sentences(rows: torch.Tensor) -> list[list[int]]:
    """Returns the words of each row without padding."""
    return [row[row.ne(PAD)].tolist() for row in rows]


def generate(
    model: Any, words: Any, sources: list[list[int]], **options: Any
) -> list[Any]:
    """Returns what fairseq finds, one sentence at a time: its limits are a batch's."""
    generator = SequenceGenerator([model], words, **options)
    hypotheses = []
    for source in sources:
        tokens = torch.tensor([source])
        lengths = torch.tensor([len(source)])
        sample = {"net_input": {"src_tokens": tokens, "src_lengths": lengths}}
        hypotheses += generator.generate([model], sample)
    return hypotheses


def agree(translations: Any, wanted: Any) -> None:
    """Checks words, and scores to 1e-4."""
    for own, other in zip(translations, wanted, strict=True):
        assert [h.tokens for h in own] == [h["tokens"].tolist() for h in other]
        for hypothesis, same in zip(own, other, strict=True):
            assert hypothesis.score == pytest.approx(float(same["score"]), abs=1e-4)
            assert hypothesis.positional_scores == pytest.approx(
                same["positional_scores"].tolist(), abs=1e-4
            )


@pytest.mark.parametrize("pre_norm", [True, False])
def test_greedy_words_are_those_of_fairseq(
    teacher_of: Any, to_engine: Any, options_of: Any, words: Any, pre_norm: bool
) -> None:
    model = teacher_of(pre_norm)
    sources = sentences(batch(LENGTHS))
    limit = {"max_len_a": 1.2, "max_len_b": 5}
    wanted = generate(model, words, sources, beam_size=1, **limit)
    agree(to_engine(model).translate(sources, options_of(**limit)), wanted)


@pytest.mark.parametrize("longest", [(64, 32), (32, 64)])
def test_learned_positions_may_be_as_many_as_each_side_needs(
    teacher_of: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    longest: tuple[int, int],
) -> None:
    names = ("max_source_positions", "max_target_positions")
    learned = {"encoder_learned_pos": True, "decoder_learned_pos": True}
    model = teacher_of(True, **learned, **dict(zip(names, longest)))
    sources = sentences(batch([7, 1, 30]))
    limit = {"max_len_a": 0, "max_len_b": 20}
    wanted = generate(model, words, sources, beam_size=1, **limit)
    agree(to_engine(model).translate(sources, options_of(**limit)), wanted)


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize(
    ("width", "more"), [(1, {}), (4, {}), (3, {"length_penalty": 0.6, "min_length": 3})]
)
def test_a_beam_is_that_of_fairseq(
    teacher_of: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    pre_norm: bool,
    width: int,
    more: dict[str, Any],
) -> None:
    model = teacher_of(pre_norm)
    sources = sentences(batch(LENGTHS))
    limit = {"max_len_a": 1.2, "max_len_b": 5}
    names = {"length_penalty": "len_penalty", "min_length": "min_len"}
    fairseq = {names[name]: value for name, value in more.items()}
    wanted = generate(model, words, sources, beam_size=width, **limit, **fairseq)
    options = options_of(search="beam", width=width, **limit, **more)
    agree(to_engine(model).translate(sources, options), wanted)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_given_words_are_scored_as_the_model_scores_them(
    teacher_of: Any, to_engine: Any, pre_norm: bool
) -> None:
    model = teacher_of(pre_norm)
    sources, targets = (sentences(batch(n)) for n in ([5, 2, 9], [4, 11, 1]))
    scored = to_engine(model).score(sources, targets)
    for source, target, scores in zip(sources, targets, scored, strict=True):
        previous = torch.tensor([[EOS, *target[:-1]]])
        lengths = torch.tensor([len(source)])
        logits, _ = model(torch.tensor([source]), lengths, previous)
        logp = logits.log_softmax(-1)[0].gather(1, torch.tensor(target).unsqueeze(1))
        assert scores == pytest.approx(logp.flatten().tolist(), abs=1e-4)


def test_the_teacher_ranks_the_candidates_of_a_latent_model(
    build_latent: Any, teacher_of: Any, to_engine: Any, options_of: Any
) -> None:
    latent, teacher = to_engine(build_latent()), to_engine(teacher_of(True))
    sources = sentences(batch(LENGTHS))
    options = options_of(search="sample", width=6, max_length_ratio=1.5)
    rankings = latent.translate_ranked(sources, teacher, options)
    candidates = latent.translate(sources, options)
    for source, own, other in zip(sources, rankings, candidates, strict=True):
        assert {tuple(h.tokens) for h in own} == {tuple(h.tokens) for h in other}
        ranks = [h.rank_score for h in own]
        assert ranks == sorted(ranks, reverse=True)
        scores = teacher.score([source] * len(own), [h.tokens for h in own])
        for hypothesis, words in zip(own, scores, strict=True):
            assert hypothesis.teacher_score == pytest.approx(sum(words), abs=1e-4)
            mean = sum(words) / len(words)
            assert hypothesis.rank_score == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("number_format", ["float32", "int8"])
@pytest.mark.parametrize("limit", [{}, {"max_len_a": 0.5, "max_len_b": 3}])
def test_verified_drafts_give_the_greedy_translations(
    build_latent: Any,
    teacher_of: Any,
    to_engine: Any,
    options_of: Any,
    number_format: str,
    limit: dict[str, Any],
) -> None:
    latent = to_engine(build_latent(), number_format)
    teacher = to_engine(teacher_of(True), number_format)
    sources = sentences(batch(LENGTHS))
    options = options_of(**limit)
    wanted = teacher.translate(sources, options)
    verified = latent.translate_verified(sources, teacher, options)
    assert [h.tokens for (h,) in verified] == [h.tokens for (h,) in wanted]
    assert [h.score for (h,) in verified] == [h.score for (h,) in wanted]
    assert all(1 <= h.steps <= len(h.tokens) for (h,) in verified)
