"""What each stage promises: masks, causality, caches, shapes."""

import pytest
import torch

from vq_nat.translation.decoding.limits import CodeBounds
from vq_nat.translation.decoding.search import search
from vq_nat.translation.flow import (
    EncodedSource,
    align_left,
    latent_mask,
    pad_to_chunks,
    word_mask,
)

PAD = 1


def up_to(*most: int) -> CodeBounds:
    """Bounds sequences of codes from above."""
    return CodeBounds(torch.ones(len(most), dtype=torch.long), torch.tensor(most))


def test_align_left_keeps_the_order_of_words() -> None:
    tokens = torch.tensor([[PAD, PAD, 7, 5], [4, 9, PAD, PAD]])
    expected = torch.tensor([[7, 5, PAD, PAD], [4, 9, PAD, PAD]])
    assert align_left(tokens, PAD).equal(expected)


def test_masks_go_down_and_up_again() -> None:
    words = torch.tensor([[True] * 5 + [False] * 3, [True] * 4 + [False] * 4])
    latents = latent_mask(words, chunk=4)
    assert latents.tolist() == [[True, True], [True, False]]
    assert word_mask(latents, chunk=4).sum(dim=1).tolist() == [8, 4]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16])
def test_last_chunk_is_filled(length: int) -> None:
    padded = pad_to_chunks(torch.zeros(1, length).long(), chunk=8, pad=PAD)
    assert padded.size(1) == -(-length // 8) * 8
    assert padded[0, length:].eq(PAD).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_of_the_source_changes_nothing(model, make_batch, repad, side) -> None:
    source = make_batch([9, 4, 6])
    trimmed = model.encode(source)
    padded = model.encode(repad(source, side, extra=5))
    assert padded.mask.sum(dim=1).tolist() == [9, 4, 6]
    torch.testing.assert_close(
        padded.states[:, :9][trimmed.mask], trimmed.states[trimmed.mask]
    )


@pytest.mark.parametrize("source_attention", [False, True])
def test_padding_of_the_target_changes_no_latent(
    make_model, make_batch, repad, source_attention
) -> None:
    model = make_model(compressor_source_attention=source_attention)
    source, target = model.encode(make_batch([9, 4, 6])), make_batch([17, 3, 8])
    trimmed = model.compress(target, source)
    for side in ("left", "right"):
        padded = model.compress(repad(target, side, extra=9), source)
        assert padded.mask.equal(trimmed.mask)
        torch.testing.assert_close(
            padded.states[trimmed.mask], trimmed.states[trimmed.mask]
        )


def test_content_of_padding_reaches_no_latent(model, make_batch) -> None:
    """The mask alone decides: garbage embeddings behind it must not matter."""
    words = model.to_chunks(make_batch([17, 3, 8]))
    mask, embedded = words.ne(PAD), model.embed(words)
    garbage = torch.where(mask.unsqueeze(-1), embedded, torch.full_like(embedded, 9.0))
    clean, dirty = model.compressor(embedded, mask), model.compressor(garbage, mask)
    assert dirty.states[dirty.mask].equal(clean.states[clean.mask])


def test_content_of_padding_reaches_no_word(model, make_batch) -> None:
    source = model.encode(make_batch([9, 4]))
    latents = model.compress(make_batch([17, 3]), source)
    garbage = latents._replace(
        states=latents.states + ~latents.mask.unsqueeze(-1) * 9.0
    )
    dirty_source = EncodedSource(
        source.states + ~source.mask.unsqueeze(-1) * 9.0, source.mask
    )
    clean, dirty = model.decode(latents, source), model.decode(garbage, dirty_source)
    torch.testing.assert_close(dirty.logits[dirty.mask], clean.logits[clean.mask])


def test_predictor_is_causal(model, make_batch) -> None:
    """The gradient of step t's logits is zero at every later code."""
    source = model.encode(make_batch([9, 4]))
    codes = torch.randint(16, (2, 6, 1))
    embedded = model.predictor.embed(codes).detach().requires_grad_()
    model.predictor.embed = lambda _: embedded
    logits = model.predictor(codes, source)
    for step in range(7):
        (gradient,) = torch.autograd.grad(
            logits[:, step].sum(), embedded, retain_graph=True
        )
        reached = gradient.abs().sum(dim=(0, 2)) > 0
        assert reached.tolist() == [position < step for position in range(6)]


@pytest.mark.parametrize("slices", [1, 2])
def test_cached_steps_equal_one_pass(make_model, make_batch, slices) -> None:
    model = make_model(vq_slices=slices)
    source, codes = model.encode(make_batch([9, 4])), torch.randint(16, (2, 6, slices))
    at_once = model.predictor(codes, source)
    state, previous = model.predictor.start(source), None
    for step in range(7):
        logits, state = model.predictor.step(state, previous)
        torch.testing.assert_close(logits, at_once[:, step], rtol=1e-4, atol=1e-5)
        previous = codes[:, step] if step < 6 else None


def test_predictor_never_reads_source_padding(model, make_batch) -> None:
    source = model.encode(make_batch([9, 4]))
    dirty = source._replace(states=source.states + ~source.mask.unsqueeze(-1) * 9.0)
    codes = torch.randint(16, (2, 6, 1))
    torch.testing.assert_close(
        model.predictor(codes, dirty), model.predictor(codes, source)
    )


def test_score_of_predicted_codes_is_their_log_probability(make_model, make_batch):
    model = make_model()
    source = model.encode(make_batch([9, 4, 6]))
    latents = search(model.predictor, source, up_to(8, 8, 8))
    log_probs = model.predictor.log_probs(model.predictor(latents.codes, source))
    for row in range(3):
        length = int(latents.mask[row].sum())
        steps = log_probs[row, torch.arange(length), 0, latents.codes[row, :length, 0]]
        total = steps.sum() + log_probs[row, length, 0, model.predictor.end]
        torch.testing.assert_close(latents.score[row], total, rtol=1e-4, atol=1e-4)


def test_predicted_length_is_bounded_and_never_zero(model, make_batch) -> None:
    source = model.encode(make_batch([9, 4, 6]))
    latents = search(model.predictor, source, up_to(1, 3, 2))
    lengths = latents.mask.sum(dim=1)
    assert (lengths >= 1).all()
    assert (lengths <= torch.tensor([1, 3, 2])).all()


def test_heads_must_divide_the_width(make_model) -> None:
    with pytest.raises(ValueError, match=r"`attention_heads` must divide `width`"):
        make_model(encoder_attention_heads=5)


def test_too_long_a_sentence_is_refused(model) -> None:
    with pytest.raises(ValueError, match="at most 72 positions, but has 90 instead"):
        model.encode(torch.full((1, 90), 5))
