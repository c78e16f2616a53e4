"""The predictor's word in the E-step of the model that trains."""

import pytest
import torch

from vq_nat.translation.schedule import growth

PAD = 1


def test_weights_grow_from_their_start() -> None:
    assert [growth(n, start=4, updates=4) for n in (0, 3, 4, 6, 8, 99)] == [
        0,
        0,
        0,
        0.5,
        1,
        1,
    ]
    assert [growth(n, start=4, updates=0) for n in (3, 4, 5)] == [0, 1, 1]


def test_the_prior_is_what_the_predictor_says_of_the_plain_codes(
    make_model, make_batch
) -> None:
    model = make_model(vq_prior_weight=0.5, vq_assign="hard", predictor_dropout=0.5)
    source, target = model.encode(make_batch([9, 4])), make_batch([17, 6])
    z_e = model.compress(target, source)
    codes = model.true_codes(target, source)
    expected = model.code_log_probs(codes.codes, source)[:, :-1, :, :-1]
    model.train()
    counts = model.bottleneck.table.counts.clone()
    prior = model.prior_of(z_e, source)
    assert model.predictor.training and model.bottleneck.training
    torch.testing.assert_close(prior.log_probs[codes.mask], expected[codes.mask])
    assert prior.weight == 0.5 and not prior.log_probs.requires_grad
    assert model.bottleneck.table.counts.equal(counts)  # nothing is gathered


def test_there_is_none_before_its_start_and_in_evaluation(
    make_model, make_batch
) -> None:
    model = make_model(vq_prior_weight=1.0, vq_prior_start=3, vq_prior_updates=2)
    source, target = make_batch([9, 4]), make_batch([17, 6])
    for update, expected in ((2, None), (3, None), (4, 0.5), (9, 1.0)):
        model.train().set_num_updates(update)
        torch.manual_seed(1)
        out = model(source, target=target)
        assert out.bottleneck.metrics.get("prior_weight") == expected
    model.eval()
    assert "prior_weight" not in model(source, target=target).bottleneck.metrics


def test_the_rate_moves_the_compressor_but_not_the_predictor(
    make_model, make_batch
) -> None:
    model = make_model(vq_rate_weight=1.0, vq_commitment=0.0).train()
    out = model(make_batch([9, 4]), target=make_batch([17, 6]))
    out.bottleneck.loss.backward()
    moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert "compressor" in moved and "predictor" not in moved


@pytest.mark.parametrize("name", ["vq_prior_weight", "vq_rate_weight"])
def test_a_prior_is_for_vector_quantisation(make_model, name) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be 0 with `vq_kind` 'gumbel'"):
        make_model(vq_kind="gumbel", **{name: 0.1})
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 0 and finite"):
            make_model(**{name: weight})
