"""Minimum-risk training: rewards by hand, and the better codes become more probable."""

import math
from types import SimpleNamespace

import pytest
import torch

from vq_nat.fairseq_side.compat import Refused
from vq_nat.translation.flow import LatentCodes, take
from vq_nat.translation.risk import Draws, MinimumRiskCriterion

PAD = 1
KINDS = [{}, {"vq_kind": "words", "words_per_code": 2}]


@pytest.fixture
def criterion(dictionary):
    """Builds the criterion with options."""

    def build(**options):
        settings = {
            "latent_loss_weight": 1.0,
            "latent_loss_start": 0,
            "word_smoothing": 0.0,
            "code_smoothing": 0.0,
            "risk_samples": 4,
            "risk_temperature": 2.0,
            "risk_sharpness": 1.0,
            "risk_likelihood": 0.0,
        }
        task = SimpleNamespace(target_dictionary=dictionary)
        return MinimumRiskCriterion(task, **{**settings, **options})

    return build


def sample_of(source, target):
    return {
        "net_input": {"src_tokens": source},
        "target": target,
        "ntokens": int(target.ne(PAD).sum()),
    }


def test_rewards_are_chrf_of_the_words(criterion, make_batch) -> None:
    target = make_batch([9, 6])
    own = target[1][target[1].ne(PAD)]  # an output has no padding, a reference has
    words = [target[0], target[0][3:], own, own[:2]]
    rewards = criterion(risk_samples=2).rewards(words, target)
    assert rewards[:, 0].tolist() == pytest.approx([1.0, 1.0])
    assert (rewards[:, 1] < 0.95).all() and (rewards[:, 1] > 0).all()


@pytest.mark.parametrize("options", KINDS)
def test_the_risk_by_hand(make_model, make_batch, options) -> None:
    model = make_model(**options)
    source = model.encode(make_batch([9, 4]))
    codes = model.true_codes(make_batch([9, 9, 9, 9]), source)
    codes = take(codes, torch.tensor([0, 1, 0, 2, 3, 2]))  # one drawn twice in each
    rows = take(source, torch.arange(2).repeat_interleave(3))
    rewards = torch.tensor([[0.9, 0.2, 0.9], [0.4, 0.6, 0.4]])
    draws = Draws(codes, rows, rewards)
    assert draws.repeated().tolist() == [[False, False, True]] * 2
    p = model.score_codes(codes, rows).view(2, 3)[:, :2].mul(0.5).softmax(dim=1)
    expected = (p * (1 - rewards[:, :2])).sum(dim=1)
    torch.testing.assert_close(draws.risk(model, 0.5), expected)


def test_lengths_tell_draws_apart() -> None:
    codes = torch.zeros(2, 3, 1, dtype=torch.long)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    draws = Draws(LatentCodes(codes, mask, torch.zeros(2)), None, torch.zeros(1, 2))
    assert draws.repeated().tolist() == [[False, False]]


@pytest.mark.parametrize("options", KINDS)
def test_better_codes_become_more_probable(
    make_model, make_batch, criterion, options
) -> None:
    model = make_model(**options).train()
    sample = sample_of(make_batch([9, 4, 6]), make_batch([9, 5, 7]))
    risk = criterion()
    draws = risk.draw(model, sample)
    assert model.training and draws.rewards.shape == (3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = draws.risk(model, 1.0)
    for _ in range(5):
        optimizer.zero_grad()
        draws.risk(model, 1.0).sum().backward()
        optimizer.step()
    assert float(draws.risk(model, 1.0).sum()) < float(before.sum())


@pytest.mark.parametrize("options", KINDS)
def test_without_likelihood_the_predictor_learns_alone(
    make_model, make_batch, criterion, options
) -> None:
    model = make_model(**options).train()
    sample = sample_of(make_batch([9, 4]), make_batch([9, 5]))
    loss, size, log = criterion()(model, sample)
    loss.backward()
    moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    tied = {"embed_tokens"} if options else set()
    assert moved == {"predictor"} | tied
    assert float(loss) == pytest.approx(float(log["risk"]) / 2 * size, rel=1e-5)
    assert float(log["best_reward"]) >= float(log["reward"])


@pytest.mark.parametrize(("likelihood", "stays"), [(0.0, True), (0.5, False)])
def test_codes_stay_where_the_predictor_learns_alone(
    make_model, make_batch, criterion, likelihood, stays
) -> None:
    model = make_model().train()
    before = model.bottleneck.codebook.clone()
    sample = sample_of(make_batch([9, 4]), make_batch([9, 5]))
    criterion(risk_likelihood=likelihood)(model, sample)
    model.bottleneck.m_step()
    assert model.bottleneck.codebook.equal(before) == stays


def test_a_share_of_the_likelihood_moves_all(make_model, make_batch, criterion):
    model = make_model().train()
    sample = sample_of(make_batch([9, 4]), make_batch([9, 5]))
    criterion(risk_likelihood=0.5)(model, sample)[0].backward()
    moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert {"predictor", "decoder", "compressor", "encoder"} <= moved


def test_evaluation_draws_nothing(model, make_batch, criterion) -> None:
    sample = sample_of(make_batch([9, 4]), make_batch([9, 5]))
    log = criterion()(model, sample)[2]
    assert "risk" not in log


def settings_of(workers: int, backend: str) -> SimpleNamespace:
    """Returns what fairseq knows of the workers."""
    names = {"distributed_world_size": workers, "ddp_backend": backend}
    return SimpleNamespace(distributed_training=SimpleNamespace(**names))


def test_workers_whose_gradients_would_stay_apart_are_refused(criterion, model):
    alone, together = criterion(), criterion(risk_likelihood=0.1)
    for settings in (settings_of(1, "pytorch_ddp"), settings_of(2, "legacy_ddp")):
        alone.refuse_training(settings, model)
    together.refuse_training(settings_of(2, "pytorch_ddp"), model)
    with pytest.raises(Refused, match="`ddp_backend` must be legacy_ddp with several"):
        alone.refuse_training(settings_of(2, "pytorch_ddp"), model)


@pytest.mark.parametrize(
    "options", [{"vq_kind": "identity"}, {"vq_kind": "none", "alignment": "ctc"}]
)
def test_models_without_codes_are_refused(make_model, criterion, options) -> None:
    with pytest.raises(Refused, match="must be latent_prediction for a model without"):
        criterion().refuse_training(settings_of(1, ""), make_model(**options))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("risk_samples", 1, "`risk_samples` must be at least 2, but is 1"),
        ("risk_temperature", 0.0, "`risk_temperature` must be above 0 and finite, b"),
        ("risk_sharpness", -1.0, "`risk_sharpness` must be above 0 and finite, but"),
        ("risk_sharpness", math.inf, "must be above 0 and finite, but is inf"),
        ("risk_temperature", math.nan, "must be above 0 and finite, but is nan"),
        ("risk_likelihood", -0.1, "`risk_likelihood` must be at least 0 and finite"),
    ],
)
def test_unusable_options_are_refused(criterion, name, value, message) -> None:
    with pytest.raises(ValueError, match=message):
        criterion(**{name: value})
