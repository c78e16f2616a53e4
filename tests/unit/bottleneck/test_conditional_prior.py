"""A prior of the codes in the E-step, its rate in the loss, and noise on codes."""

import math

import pytest
import torch

from vq_nat.bottleneck import BottleneckConfig, Prior, build_bottleneck

WIDTH, CODES = 4, 6


def make(slices: int = 1, **options):
    config = BottleneckConfig(vq_num_codes=CODES, vq_slices=slices, **options)
    return build_bottleneck(config, WIDTH).train()


def batch(slices: int = 1):
    """Vectors, a mask, and the log-probabilities of a predictor."""
    z = torch.randn(3, 5, WIDTH)
    mask = torch.arange(5) < torch.tensor([[5], [2], [4]])
    log_probs = torch.randn(3, 5, slices, CODES).mul(3).log_softmax(-1)
    return z, mask, log_probs


@pytest.mark.parametrize("assign", ["hard", "soft"])
@pytest.mark.parametrize("even", [False, True])
def test_a_prior_that_says_nothing_changes_nothing(assign, even) -> None:
    """Of weight 0, or the same for all codes."""
    z, mask, log_probs = batch()
    weight = 2.0 if even else 0.0
    log_probs = torch.full_like(log_probs, -math.log(CODES)) if even else log_probs
    outs = []
    for prior in (None, Prior(log_probs, weight)):
        torch.manual_seed(5)
        outs.append(make(vq_assign=assign)(z, mask, prior))
    assert outs[1].codes.equal(outs[0].codes)
    torch.testing.assert_close(outs[1].quantized, outs[0].quantized)
    torch.testing.assert_close(outs[1].loss, outs[0].loss)


@pytest.mark.parametrize(("weight", "rate"), [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)])
def test_a_code_may_be_impossible(weight, rate) -> None:
    """Of probability 0, whose logarithm is no number to multiply by 0."""
    z, mask, _ = batch()
    log_probs = torch.full((3, 5, 1, CODES), -math.inf)
    log_probs[..., 2] = 0.0
    out = make(vq_num_samples=0)(z, mask, Prior(log_probs, weight, rate))
    assert out.loss.isfinite()
    if weight:
        assert (out.codes[mask] == 2).all()


@pytest.mark.parametrize("slices", [1, 2])
def test_the_posterior_is_distance_and_prior(slices) -> None:
    z, mask, log_probs = batch(slices)
    bottleneck = make(slices, vq_num_samples=0, vq_temperature=0.7)
    out = bottleneck(z, mask, Prior(log_probs, 0.4))
    parts = z.view(3, 5, slices, 1, -1)
    distances = (parts - bottleneck.codebook).square().sum(-1)  # (B, L, G, K)
    expected = (-distances / 0.7 + 0.4 * log_probs).softmax(-1)
    torch.testing.assert_close(out.weights[mask], expected[mask])
    assert out.codes[mask].equal(expected.argmax(-1)[mask])


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_a_strong_prior_decides(assign) -> None:
    z, mask, log_probs = batch()
    out = make(vq_assign=assign)(z, mask, Prior(log_probs, 1e4))
    assert out.codes[mask].equal(log_probs.argmax(-1)[mask])
    assert out.weights[mask].argmax(-1).equal(log_probs.argmax(-1)[mask])


def test_the_rate_by_hand() -> None:
    """Two codes at 0 and 1, a vector between them, and one that can be predicted."""
    config = BottleneckConfig(vq_num_codes=2, vq_commitment=0.0, vq_temperature=0.5)
    bottleneck = build_bottleneck(config, 1).train()
    bottleneck.table.codes.data.copy_(torch.tensor([[[0.0], [1.0]]]))
    z = torch.tensor([[[0.5]]], requires_grad=True)
    log_probs = torch.tensor([0.1, 0.9]).log().view(1, 1, 1, 2).requires_grad_()
    out = bottleneck(z, None, Prior(log_probs, rate=2.0))
    expected = -(math.log(0.1) + math.log(0.9)) / 2
    assert float(out.loss) == pytest.approx(2 * expected, rel=1e-5)
    assert out.metrics["rate"] == pytest.approx(expected, rel=1e-5)
    out.loss.backward()
    assert float(z.grad) < 0  # a step against it goes towards the code at 1
    assert log_probs.grad is None


def test_padding_is_not_part_of_the_rate() -> None:
    z, mask, log_probs = batch()
    bottleneck = make()
    one = bottleneck(z, mask, Prior(log_probs, rate=1.0))
    log_probs[~mask] = -100.0
    torch.manual_seed(0)
    other = bottleneck(z.masked_fill(~mask[..., None], 7.0), mask, Prior(log_probs))
    assert one.metrics["rate"] == pytest.approx(other.metrics["rate"], rel=1e-5)


@pytest.mark.parametrize("kind", ["semhash", "gumbel", "identity"])
def test_other_kinds_refuse_a_prior(kind) -> None:
    config = BottleneckConfig(vq_kind=kind, vq_num_codes=8)
    z, mask, log_probs = batch()
    with pytest.raises(ValueError, match="`prior` must be None .* '" + kind):
        build_bottleneck(config, WIDTH)(z, mask, Prior(log_probs))


# ------------------------------------------------------------------------------ noise


@pytest.mark.parametrize("slices", [1, 2])
def test_noise_shows_the_decoder_codes_nearby(slices) -> None:
    z, mask, _ = batch(slices)
    noisy = make(slices, vq_assign="hard", vq_code_noise=1.0, vq_noise_codes=2)
    out = noisy(z, mask)
    parts = z.view(3, 5, slices, 1, -1)
    distances = (parts - noisy.codebook).square().sum(-1)
    nearest = distances.topk(2, largest=False).indices  # (B, L, G, 2)
    seen = torch.stack([noisy.lookup(nearest[..., i]) for i in range(2)])
    seen = seen.view(2, 3, 5, slices, -1)
    shown = out.quantized.view(3, 5, slices, -1)
    known = shown.sub(seen).abs().amax(-1).lt(1e-5)[:, mask]  # (2, N, G)
    assert known.any(dim=0).all()
    assert known[0].any() and known[1].any()  # both are drawn
    assert out.codes[mask].equal(nearest[..., 0][mask])  # the target stays the nearest


def test_noise_replaces_a_share_and_nothing_in_evaluation() -> None:
    z = torch.randn(40, 50, WIDTH)
    noisy = make(vq_assign="hard", vq_code_noise=0.25, vq_noise_codes=CODES)
    out = noisy(z)
    changed = out.quantized.ne(noisy.lookup(out.codes)).any(-1).float().mean()
    expected = 0.25 * (1 - 1 / CODES)  # the nearest itself may be drawn
    assert float(changed) == pytest.approx(expected, abs=0.03)
    out = noisy.eval()(z)
    torch.testing.assert_close(out.quantized, noisy.lookup(out.codes))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("vq_code_noise", 1.5, "`vq_code_noise` must be from 0 to 1, but is 1.5"),
        ("vq_noise_codes", 0, "`vq_noise_codes` must be at least 1, but is 0"),
    ],
)
def test_unusable_noise_is_refused(option, value, message) -> None:
    with pytest.raises(ValueError, match=message):
        make(**{option: value})
