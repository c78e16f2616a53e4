"""Decoding from what the reference has: its codes, or its latents without codes."""

import pytest
import torch

from vq_nat.translation.decoding.build import refuse_unserved
from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.options import DecodingOptions


def sample(source, target=None):
    return {"net_input": {"src_tokens": source}, "target": target}


def words(candidates) -> list[list[int]]:
    return [row[0].tokens.tolist() for row in candidates]


@pytest.fixture
def pair(make_batch):
    """Sources and targets of several lengths."""
    return make_batch([9, 4, 6]), make_batch([17, 3, 8])


def test_true_latents_are_the_vectors_of_true_codes(model, pair) -> None:
    source = model.encode(pair[0])
    latents = model.true_latents(pair[1], source)
    codes = model.true_codes(pair[1], source)
    torch.testing.assert_close(latents.states, model.lookup(codes).states)
    assert latents.mask.equal(codes.mask)


def test_both_decode_the_same_words(model, dictionary, pair) -> None:
    codes = IterativeLatentGenerator(dictionary, true_codes=True)
    latents = IterativeLatentGenerator(dictionary, true_latents=True)
    assert words(codes.generate([model], sample(*pair))) == words(
        latents.generate([model], sample(*pair))
    )


def test_without_discretisation_latents_are_those_of_the_compressor(
    make_model, dictionary, pair, repad
) -> None:
    model = make_model(vq_kind="identity")
    source = model.encode(pair[0])
    states = model.true_latents(pair[1], source).states
    assert states.equal(model.compress(pair[1], source).states * (states != 0))
    generator = IterativeLatentGenerator(dictionary, true_latents=True)
    candidates = generator.generate([model], sample(*pair))
    assert all(row[0].codes.numel() == 0 for row in candidates)
    padded = sample(repad(pair[0], "left", 3), repad(pair[1], "right", 5))
    assert words(generator.generate([model], padded)) == words(candidates)


@pytest.mark.parametrize("passes", [0, 2])
def test_true_codes_ask_nothing_of_the_predictor(
    model, dictionary, pair, monkeypatch, passes
) -> None:
    def never(*args, **kwargs):
        raise AssertionError("the predictor was asked")

    monkeypatch.setattr(model.predictor, "forward", never)
    monkeypatch.setattr(model.predictor, "step", never)
    generator = IterativeLatentGenerator(
        dictionary, max_iter=passes, refinement="latent", true_codes=True
    )
    assert len(generator.generate([model], sample(*pair))) == 3


@torch.no_grad()
@pytest.mark.parametrize("refinement", ["latent", "both"])
def test_refined_codes_are_scored_by_the_predictor(
    model, dictionary, make_batch, refinement
) -> None:
    generator = IterativeLatentGenerator(dictionary, max_iter=3, refinement=refinement)
    source = make_batch([9, 4])
    for candidates, alone in zip(generator.generate([model], sample(source)), source):
        encoded = model.encode(alone.unsqueeze(0))
        codes = candidates[0].codes.unsqueeze(0)
        logp = model.code_log_probs(codes, encoded)[0]
        expected = logp[:-1, 0].gather(1, codes[0]).sum() + logp[-1, 0, -1]
        assert candidates[0].code_score == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("name", ["true_codes", "true_latents"])
def test_references_are_needed(model, dictionary, pair, name) -> None:
    generator = IterativeLatentGenerator(dictionary, **{name: True})
    with pytest.raises(ValueError, match="references must be given"):
        generator.generate([model], sample(pair[0]))


def refuse(model, **options) -> None:
    refuse_unserved(DecodingOptions(**options), [model])


def test_what_has_no_codes_cannot_predict_them(make_model, model) -> None:
    identity = make_model(vq_kind="identity")
    for options in ({}, {"true_codes": True}):
        with pytest.raises(ValueError, match="`true_latents` must be the way .*ident"):
            refuse(identity, **options)
    refuse(identity, true_latents=True)
    refuse(model, true_latents=True)
