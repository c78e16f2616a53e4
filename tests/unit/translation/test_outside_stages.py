"""Stages and codes that another package registers."""

from collections.abc import Iterator

import pytest
import torch

from vq_nat.bottleneck import register_bottleneck
from vq_nat.bottleneck.members import MEMBERS
from vq_nat.bottleneck.vector_quantizer import VectorQuantizer
from vq_nat.engine.weights import tensors_of
from vq_nat.translation import register_decoder, register_predictor
from vq_nat.translation.decoder import DECODERS, ParallelDecoder
from vq_nat.translation.predictor import PREDICTORS, LatentPredictor


class Copying(LatentPredictor):
    """A predictor that is another class."""


class Plain(ParallelDecoder):
    """A decoder that is another class."""


class Bare(VectorQuantizer):
    """A bottleneck that hears no prior."""

    takes_prior = False


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register_predictor("copying")(Copying)
    register_decoder("plain")(Plain)
    register_bottleneck("bare")(Bare)
    yield
    del PREDICTORS._classes["copying"], DECODERS._classes["plain"]
    del MEMBERS._classes["bare"]


def test_they_are_built_and_trained(make_model, make_batch) -> None:
    model = make_model(
        latent_predictor="copying", parallel_decoder="plain", vq_kind="bare"
    ).train()
    kinds = (type(model.predictor), type(model.decoder), type(model.bottleneck))
    assert kinds == (Copying, Plain, Bare)
    out = model(make_batch([5, 3]), target=make_batch([9, 4]))
    assert out.word_logits.isfinite().all() and out.code_logits.size(2) == 1


@pytest.mark.parametrize("stage", ["latent_predictor", "parallel_decoder"])
def test_the_engine_refuses_stages_that_it_does_not_compute(
    make_model, stage: str
) -> None:
    name = {"latent_predictor": "copying", "parallel_decoder": "plain"}[stage]
    with pytest.raises(ValueError, match=f"this package's `{stage}`, but has '{name}'"):
        tensors_of(make_model(**{stage: name}), "int8")


@pytest.mark.parametrize("stage", ["latent_predictor", "parallel_decoder"])
def test_an_unknown_stage_is_refused(make_model, stage: str) -> None:
    with pytest.raises(ValueError, match=f"`{stage}` must be one of '.*, but is 'x'"):
        make_model(**{stage: "x"})


def test_slices_that_add_up_are_trained_but_not_exported(
    make_model, make_batch
) -> None:
    model = make_model(vq_slicing="residual", vq_slices=3).train()
    out = model(make_batch([5, 3]), target=make_batch([9, 4]))
    assert out.code_logits.size(2) == 3
    with pytest.raises(ValueError, match="but its slices add up"):
        tensors_of(model, "int8")


def test_words_have_a_predictor_of_their_own(make_model) -> None:
    with pytest.raises(ValueError, match="`latent_predictor` must be 'transformer'"):
        make_model(vq_kind="words", words_per_code=2, latent_predictor="copying")


@pytest.mark.parametrize("name", ["vq_prior_weight", "vq_rate_weight"])
def test_who_hears_no_prior_gets_none(make_model, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be 0 with `vq_kind` 'bare'"):
        make_model(vq_kind="bare", **{name: 0.5})


def test_a_prior_can_be_heard_by_a_kind_from_outside(make_model, make_batch) -> None:
    class Listening(Bare):
        takes_prior = True

    register_bottleneck("listening")(Listening)
    try:
        model = make_model(vq_kind="listening", vq_prior_weight=0.5).train()
        out = model(make_batch([5, 3]), target=make_batch([9, 4]))
        assert out.bottleneck.metrics["prior_weight"] == 0.5
    finally:
        del MEMBERS._classes["listening"]
    assert torch.isfinite(out.bottleneck.loss)
