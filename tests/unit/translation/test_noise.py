"""Noise before the compressor: words move a little or hide, padding and ends never."""

import pytest
import torch

from vq_nat.translation.noise import draw_kept, shuffle_locally

PAD, EOS = 1, 2
LENGTHS = [12, 1, 7, 30]


@pytest.fixture
def words() -> torch.Tensor:
    """Sentences whose words tell their places, padded on the right."""
    rows = torch.full((len(LENGTHS), max(LENGTHS) + 2), PAD)
    for row, length in zip(rows, LENGTHS):
        row[:length] = torch.arange(length) + 10
        row[length - 1] = EOS
    return rows


@pytest.mark.parametrize("distance", [1, 3])
def test_words_move_no_further_than_told(words, distance) -> None:
    moved = shuffle_locally(words.repeat(50, 1), PAD, distance=distance)
    assert moved.sort(dim=1).values.equal(words.repeat(50, 1).sort(dim=1).values)
    places = torch.arange(words.size(1))
    far = (moved - 10 - places).abs()[moved >= 10]
    assert far.max() == distance


def test_ends_and_padding_keep_their_places(words) -> None:
    many = words.repeat(50, 1)
    moved = shuffle_locally(many, PAD, distance=40)
    assert moved.lt(10).equal(many.lt(10))
    assert moved[many.lt(10)].equal(many[many.lt(10)])
    assert draw_kept(many, PAD, 0.99)[many.lt(10)].all()


def test_a_share_of_the_words_is_dropped(words) -> None:
    many = words.repeat(200, 1)
    kept = draw_kept(many, PAD, 0.25)[many >= 10].float().mean()
    assert 0.7 < float(kept) < 0.8
    assert draw_kept(many, PAD, 0.0).all()


def test_no_noise_draws_nothing(words) -> None:
    before = torch.get_rng_state()
    assert shuffle_locally(words, PAD, distance=0) is words
    assert torch.get_rng_state().equal(before)


def forward(model, source, target, seed: int = 1):
    torch.manual_seed(seed)
    return model(source, target=target)


NOISE = {"compressor_word_dropout": 0.3, "compressor_shuffle": 3}


@pytest.mark.parametrize("name", NOISE)
def test_the_compressor_sees_noise_in_training_alone(
    make_model, make_batch, name
) -> None:
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    clean = make_model(vq_kind="identity").train()
    noisy = make_model(vq_kind="identity", **{name: NOISE[name]}).train()
    noisy.load_state_dict(clean.state_dict())
    plain, out = (forward(m, source, target) for m in (clean, noisy))
    assert not out.bottleneck.quantized.allclose(plain.bottleneck.quantized)
    assert out.word_targets.equal(plain.word_targets)  # what is rebuilt is clean
    again = forward(noisy, source, target)
    assert again.bottleneck.quantized.equal(out.bottleneck.quantized)  # by the seed
    clean.eval(), noisy.eval()
    plain, out = (forward(m, source, target) for m in (clean, noisy))
    assert out.bottleneck.quantized.equal(plain.bottleneck.quantized)
