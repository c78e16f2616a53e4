"""Words as codes: what a code is, what the decoder sees, and that both scores agree."""

import pytest
import torch

from tests.unit.translation.test_model import loss_of
from vq_nat.translation import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import CodeBounds, SearchOptions
from vq_nat.translation.decoding.search import search, with_last
from vq_nat.translation.flow import NO_CODE, LatentCodes, take
from vq_nat.translation.word_codes import EOS

PAD = 1


@pytest.fixture(params=[2, 3, 4])
def words(request, make_model):
    """A model of k words a code."""
    return make_model(vq_kind="words", words_per_code=request.param)


def bounds(count: int, least: int = 1, most: int = 8) -> CodeBounds:
    return CodeBounds(torch.full((count,), least), torch.full((count,), most))


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (2, [[11, 13, 15, EOS], [11, EOS, 0, 0]]),
        (3, [[12, 15, EOS], [EOS, 0, 0]]),
        (4, [[13, EOS], [EOS, 0]]),
        (7, [[EOS], [EOS]]),
    ],
)
def test_a_code_is_the_last_word_of_its_chunk(make_model, chunk, expected) -> None:
    model = make_model(vq_kind="words", words_per_code=chunk)
    target = torch.tensor(
        [[10, 11, 12, 13, 14, 15, EOS], [10, 11, EOS, PAD, PAD, PAD, PAD]]
    )
    codes = model.true_codes(target, None)
    assert codes.codes.squeeze(-1).tolist() == expected
    assert codes.mask.sum(dim=1).tolist() == [
        -(-len(row[row.ne(PAD)]) // chunk) for row in target
    ]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_loss_equals_trimmed(words, make_batch, repad, side) -> None:
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    loss, size, log = loss_of(words, source, target)
    padded, padded_size, padded_log = loss_of(
        words, repad(source, side, 5), repad(target, side, 9)
    )
    assert padded_size == size
    assert padded_log["codes"] == log["codes"]
    torch.testing.assert_close(padded, loss)


def test_words_of_codes_are_never_targets_of_the_decoder(words, make_batch) -> None:
    target = make_batch([17, 3])
    out = words(make_batch([9, 4]), target=target)
    codes = -(-17 // words.chunk) - (-3 // words.chunk)
    assert out.latent_count == out.code_count == codes
    assert out.word_positions == codes * words.chunk
    assert len(out.word_targets) == codes * (words.chunk - 1)
    assert int(out.code_targets.ne(NO_CODE).sum()) == codes


def test_the_predictor_cannot_see_ahead(words, make_batch) -> None:
    source, target = words.encode(make_batch([9])), make_batch([17])
    codes = words.true_codes(target, source)
    before = words.predictor(codes.codes, source)
    changed = codes.codes.clone()
    changed[0, 2] = 7 if int(changed[0, 2]) != 7 else 8
    after = words.predictor(changed, source)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not after[:, 3:].allclose(before[:, 3:])


def test_stepping_equals_teacher_forcing(words, make_batch) -> None:
    source = words.encode(make_batch([9, 4]))
    codes = words.true_codes(make_batch([17, 15]), source).codes
    state, stepped, previous = words.predictor.start(source), [], None
    for place in range(codes.size(1)):
        logits, state = words.predictor.step(state, previous)
        stepped.append(logits)
        previous = codes[:, place]
    whole = words.predictor(codes[:, :-1], source)
    torch.testing.assert_close(torch.stack(stepped, 1), whole)


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_codes_end_in_the_end_of_sentence_and_carry_their_score(
    words, make_batch, kind
) -> None:
    source = words.encode(make_batch([9, 4, 6]))
    keys = torch.arange(3) + 7
    width = 1 if kind == "greedy" else 3
    options = SearchOptions(kind, width, temperature=2.0)
    codes = search(words.predictor, source, bounds(3, 2)._replace(keys=keys), options)
    lengths = codes.mask.sum(dim=1)
    assert int(lengths.min()) >= 2 and int(lengths.max()) <= 8
    for row, length in zip(codes.codes.squeeze(-1).tolist(), lengths.tolist()):
        assert row[length - 1] == EOS
        assert not {EOS, PAD, 0} & set(row[: length - 1])
    rows = torch.arange(3).repeat_interleave(width)
    again = words.score_codes(codes, take(source, rows))
    torch.testing.assert_close(codes.score, again, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_a_sentence_may_have_no_code_but_the_end(words, make_batch, kind) -> None:
    source = words.encode(make_batch([5, 4]))
    width = 1 if kind == "greedy" else 2
    codes = search(words.predictor, source, bounds(2, 1, 1), SearchOptions(kind, width))
    assert codes.codes.flatten().tolist() == [EOS] * 2 * width
    assert codes.mask.all()
    rows = torch.arange(2).repeat_interleave(width)
    torch.testing.assert_close(
        codes.score, words.score_codes(codes, take(source, rows)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_where_the_length_leaves_the_end_alone_nothing_is_paid(
    words, make_batch, kind
) -> None:
    source, width = words.encode(make_batch([5, 4])), 1 if kind == "greedy" else 2
    for most in ([1, 3], [1, 1]):
        fixed = CodeBounds(torch.tensor(most), torch.tensor(most), ends=False)
        codes = search(words.predictor, source, fixed, SearchOptions(kind, width))
        assert codes.mask.sum(dim=1).view(2, width)[:, 0].tolist() == most
        assert codes.codes[:width, 0].eq(EOS).all() and codes.score[:width].eq(0).all()
        assert codes.score.isfinite().all()


def test_output_has_the_words_of_the_codes_at_the_ends_of_chunks(
    words, make_batch
) -> None:
    source, target = words.encode(make_batch([9, 4])), make_batch([17, 6])
    codes = words.true_codes(target, source)
    decoded = words.decode(words.lookup(codes), source)
    tokens = decoded.logits.argmax(dim=-1)
    placed = tokens.view(2, -1, words.chunk)[..., -1]
    assert placed[codes.mask].equal(codes.codes.squeeze(-1)[codes.mask])
    assert (
        decoded.mask.sum(dim=1).tolist()
        == (words.chunk * codes.mask.sum(dim=1)).tolist()
    )
    inside = tokens.view(2, -1, words.chunk)[codes.codes.squeeze(-1).gt(EOS)]
    assert not inside.eq(EOS).any() and not inside.eq(PAD).any()


def test_decoding_gives_the_training_loss_its_probabilities(words, make_batch) -> None:
    """The decoder sees the same in training and in decoding."""
    src, target = make_batch([9]), make_batch([12])
    source = words.encode(src)
    out = words(src, target=target)
    codes = words.true_codes(target, source)
    decoded = words.decode(words.lookup(codes), source)
    hidden = torch.arange(decoded.mask.size(1)) % words.chunk != words.chunk - 1
    logits_there = decoded.logits[0, hidden].clone()
    trained = out.word_logits.clone()
    for logits in (
        logits_there,
        trained,
    ):  # which a chunk before the last cannot have
        logits[:, [EOS, PAD]] = 0
    torch.testing.assert_close(logits_there, trained)


def test_hypotheses_do_not_depend_on_the_batch(words, make_batch, dictionary) -> None:
    source = make_batch([9, 4, 6])
    rule = LengthRule(a=0, b=20)
    generator = IterativeLatentGenerator(
        dictionary, lengths=rule, search=SearchOptions("beam", 3)
    )

    def texts(rows):
        candidates = generator.generate([words], {"net_input": {"src_tokens": rows}})
        return [[h.tokens.tolist() for h in of_one] for of_one in candidates]

    together = texts(source)
    alone = [texts(row[row.ne(PAD)].unsqueeze(0))[0] for row in source]
    assert together == alone
    for of_one in together:
        for tokens in of_one:
            assert tokens[-1] == EOS


def test_reference_codes_can_be_decoded_and_refined(make_model, make_batch, dictionary):
    model = make_model(vq_kind="words", words_per_code=2, shown_sentences=0.5)
    generator = IterativeLatentGenerator(
        dictionary, max_iter=2, true_codes=True, refinement="both"
    )
    target = make_batch([8, 5])
    sample = {"net_input": {"src_tokens": make_batch([9, 4])}, "target": target}
    for row, candidates in zip(target, generator.generate([model], sample)):
        tokens = candidates[0].tokens
        length = int(row.ne(PAD).sum())
        ends = torch.arange(1, length - 1, 2)
        assert tokens[ends].equal(row[ends])


def test_the_end_comes_behind_the_last_code() -> None:
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    codes = torch.tensor([[7, 8], [9, 0], [0, 0]]).unsqueeze(-1)
    longer = with_last(LatentCodes(codes, mask, torch.zeros(3)), EOS)
    assert longer.codes.squeeze(-1).tolist() == [[7, 8, EOS], [9, EOS, 0], [EOS, 0, 0]]
    assert longer.mask.tolist() == [
        [True, True, True],
        [True, True, False],
        [True, False, False],
    ]


def test_a_fresh_model_predicts_as_its_teacher_decodes(
    make_model, make_teacher, make_batch, dictionary, tmp_path
) -> None:
    """With all of its layers the predictor is the teacher at the first step."""
    teacher = make_teacher(dictionary, pre_norm=True)
    path = tmp_path / "teacher.pt"
    torch.save({"model": teacher.state_dict(), "cfg": {}}, path)
    model = make_model(vq_kind="words", words_per_code=2, predictor_layers=2)
    model.init_from_teacher(str(path))
    src = make_batch([9])
    first, _ = model.predictor.step(model.predictor.start(model.encode(src)), None)
    theirs = teacher(src, torch.tensor([9]), torch.tensor([[EOS]]))[0]
    torch.testing.assert_close(first[:, 0], theirs[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words_per_code": 1}, "`words_per_code` must be at least 2"),
        ({"compression_steps": 0}, "`words_per_code` must be at least 2"),
        ({"words_per_code": -1}, "`words_per_code` must be at least 0"),
        ({"vq_kind": "vq", "words_per_code": 3}, "`words_per_code` must be 0"),
        ({"predictor_dropout": 1.0}, "`predictor_dropout` must be at least 0"),
    ],
)
def test_unusable_options_are_refused(make_model, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**{"vq_kind": "words", **options})


def test_dropout_may_differ_by_stage(make_model) -> None:
    model = make_model(dropout=0.1, predictor_dropout=0.3)
    assert model.predictor.dropout.p == 0.3
    assert model.predictor.layers[0].dropout.p == 0.3
    assert model.encoder.dropout.p == model.decoder.dropout.p == 0.1
