"""Draft and verify: whatever the draft, the output is the model's greedy one."""

from types import SimpleNamespace

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator

from vq_nat.translation.decoding.build import build_generator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.options import DecodingOptions
from vq_nat.translation.decoding.verify import Tolerance, Verifier

PAD, EOS = 1, 2


@pytest.fixture
def teacher(make_teacher, dictionary):
    """An autoregressive model with random weights whose sentences end."""
    model = make_teacher(dictionary, pre_norm=True)
    # With its own embeddings it would write one word for ever.
    model.decoder.output_projection = torch.nn.Linear(32, len(dictionary), bias=False)
    return model.eval()


def greedy(
    teacher, dictionary, source: torch.Tensor, **lengths: float
) -> list[list[int]]:
    """What fairseq's own greedy search writes."""
    lengths = {"max_len_b": 200, **lengths}
    generator = SequenceGenerator([teacher], dictionary, beam_size=1, **lengths)
    sample = {"net_input": {"src_tokens": source, "src_lengths": None}}
    sample["net_input"]["src_lengths"] = source.ne(PAD).sum(dim=1)
    return [
        of_one[0]["tokens"].tolist() for of_one in generator.generate([teacher], sample)
    ]


def random_drafts(count: int, longest: int = 14) -> list[torch.Tensor]:
    lengths = torch.randint(0, longest, (count,)).tolist()
    return [torch.randint(4, 40, (length,)) for length in lengths]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_output_is_the_greedy_one_whatever_the_draft(
    teacher, dictionary, make_batch, repad, side
) -> None:
    words = make_batch([9, 4, 6, 5])
    source, expected = repad(words, side, 2), greedy(teacher, dictionary, words)
    verifier = Verifier(teacher, dictionary)
    for _ in range(4):
        verified = verifier.verify(source, random_drafts(4))
        assert [one.tokens.tolist() for one in verified] == expected
        assert [sum(one.gained) for one in verified] == list(map(len, expected))


def test_the_lengths_are_those_that_are_asked_for(
    teacher, dictionary, make_batch
) -> None:
    source = make_batch([9, 9, 9, 9])
    lengths = {"max_len_a": 0.5, "max_len_b": 3, "min_len": 5}
    expected = greedy(teacher, dictionary, source, **lengths)
    assert expected != greedy(teacher, dictionary, source)
    verifier = Verifier(teacher, dictionary, lengths=LengthRule(0.5, 3, shortest=5))
    for _ in range(4):
        verified = verifier.verify(source, random_drafts(4))
        assert [one.tokens.tolist() for one in verified] == expected


def test_a_tolerance_of_more_than_all_words_passes_any(
    teacher, dictionary, make_batch
) -> None:
    source, drafts = make_batch([9, 4]), random_drafts(2)
    tolerance = Tolerance(best=len(dictionary) + 1)
    for one in Verifier(teacher, dictionary, tolerance=tolerance).verify(
        source, drafts
    ):
        assert one.scores.isfinite().all()


def test_an_end_that_must_follow_has_its_own_score(
    teacher, dictionary, make_batch
) -> None:
    """Bounds that contradict each other: the upper one holds."""
    source, rule = make_batch([9, 4]), LengthRule(0.0, 3, shortest=5)
    verifier = Verifier(teacher, dictionary, lengths=rule)
    for one in verifier.verify(source, random_drafts(2)):
        assert len(one.tokens) == 4
        assert one.scores.isfinite().all()


def test_no_output_is_shorter_than_asked_for(teacher, dictionary, make_batch) -> None:
    words = torch.nn.Linear(32, len(dictionary))
    words.bias.data[EOS] = 100.0  # it would end at once
    teacher.decoder.output_projection = words
    source = make_batch([9, 4])
    expected = greedy(teacher, dictionary, source, min_len=5)
    assert [len(tokens) for tokens in expected] == [6, 6]
    verifier = Verifier(teacher, dictionary, lengths=LengthRule(shortest=5))
    verified = verifier.verify(source, random_drafts(2))
    assert [one.tokens.tolist() for one in verified] == expected


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"candidates": 3},
        {"candidates": 3, "rescore": "chrf"},
        {"passes": 1, "refinement": "latent"},
        {"true_latents": True},
    ],
    ids=str,
)
def test_a_latent_model_drafts_and_the_teacher_writes(
    teacher, dictionary, make_model, make_batch, draft
) -> None:
    latent, source = make_model(), make_batch([9, 4, 6])
    batch = {"net_input": {"src_tokens": source}, "target": make_batch([5, 7, 3])}

    def generate(**options):
        asked = DecodingOptions(**draft, **options)
        generator = build_generator(asked, [latent, teacher], dictionary)
        return generator.generate([latent, teacher], batch)

    verified = generate(teacher="teacher.pt", verify=True)
    assert [one.tokens.tolist() for (one,) in verified] == greedy(
        teacher, dictionary, source
    )
    kept = generate(teacher="teacher.pt", verify=True, retain_iter_history=True)
    for (one,), (bare,) in zip(kept, verified):
        assert len(one.history) >= 2 and one.history[-1].equal(one.tokens)
        assert bare.history == ()
    plain = build_generator(DecodingOptions(**draft), [latent], dictionary)
    for (one,), drafted in zip(verified, plain.generate([latent], batch)):
        assert 1 <= one.steps <= len(one.tokens)
        assert one.codes.equal(drafted[0].codes)
        assert one.score == one.teacher_score < 0
    easy = generate(teacher="teacher.pt", verify=True, verify_best=40)
    for (one,), drafted in zip(easy, plain.generate([latent], batch)):
        assert one.tokens.equal(drafted[0].tokens)
        assert one.steps == 1


def test_its_own_output_as_a_draft_takes_one_pass(
    teacher, dictionary, make_batch
) -> None:
    source = make_batch([9, 4, 6])
    verifier = Verifier(teacher, dictionary)
    first = verifier.verify(source, random_drafts(3))
    again = verifier.verify(source, [one.tokens for one in first])
    for one, other in zip(first, again):
        assert other.tokens.equal(one.tokens)
        assert other.gained == (len(one.tokens),)
        torch.testing.assert_close(other.scores, one.scores, rtol=1e-4, atol=1e-5)


def test_a_right_beginning_is_kept_in_one_pass(teacher, dictionary, make_batch) -> None:
    source = make_batch([9])
    verifier = Verifier(teacher, dictionary)
    (own,) = verifier.verify(source, random_drafts(1))
    assert len(own.tokens) > 3
    draft = own.tokens.clone()
    draft[2] = 4 if int(draft[2]) != 4 else 5
    (verified,) = verifier.verify(source, [draft])
    assert verified.gained[0] == 3  # two that are right, and the model's own third
    assert verified.tokens.equal(own.tokens)


def test_scores_are_those_of_the_verifying_model(
    teacher, dictionary, make_batch
) -> None:
    source = make_batch([9, 5])
    verifier = Verifier(teacher, dictionary)
    verified = verifier.verify(source, random_drafts(2))
    rows = [one.tokens for one in verified]
    expected = verifier.reader.scores(source, rows, [0, 1])
    for one, row in zip(verified, expected):
        torch.testing.assert_close(
            one.scores, row[: len(one.tokens)], rtol=1e-4, atol=1e-5
        )


def test_neighbours_change_nothing(teacher, dictionary, make_batch) -> None:
    source, drafts = make_batch([9, 4, 6]), random_drafts(3)
    verifier = Verifier(teacher, dictionary)
    together = verifier.verify(source, drafts)
    for row, draft, one in zip(source, drafts, together):
        (alone,) = verifier.verify(row[row.ne(PAD)].unsqueeze(0), [draft])
        assert alone.tokens.equal(one.tokens)
        assert alone.gained == one.gained


def test_a_tolerance_lets_drafts_pass(teacher, dictionary, make_batch) -> None:
    source, drafts = make_batch([9, 4]), random_drafts(2)
    all_pass = Verifier(teacher, dictionary, Tolerance(best=40))
    for draft, one in zip(drafts, all_pass.verify(source, drafts)):
        if len(draft):  # an empty sentence never passes
            assert one.tokens.tolist() == [*draft.tolist(), EOS]
            assert len(one.gained) == 1
    none_pass = Verifier(teacher, dictionary, Tolerance(best=40, margin=0.0))
    exact = Verifier(teacher, dictionary)
    for one, other in zip(
        none_pass.verify(source, drafts), exact.verify(source, drafts)
    ):
        assert one.tokens.equal(other.tokens)


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [
        (Tolerance(best=0), "`best` must be at least 1, but is 0"),
        (Tolerance(margin=-1.0), "`margin` must not be negative, but is -1.0"),
    ],
)
def test_unusable_tolerances_are_refused(dictionary, tolerance, message) -> None:
    with pytest.raises(ValueError, match=message):
        Verifier(SimpleNamespace(), dictionary, tolerance)
