"""Vector quantization: relations between its options, modes and moments."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from averages import averaged
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vq_nat.bottleneck import Bottleneck

Make = Callable[..., Bottleneck]


@pytest.mark.parametrize("update", ["ema", "gradient"])
@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_gradients_pass_straight_through(make: Make, assign: str, update: str) -> None:
    bottleneck = make(assign=assign, update=update, slices=2)
    z_e = torch.randn(3, 4, 8, requires_grad=True)
    out = bottleneck(z_e)
    upstream = torch.randn(3, 4, 8)
    (gradient,) = torch.autograd.grad(
        (out.quantized * upstream).sum(), z_e, retain_graph=True
    )
    assert torch.equal(gradient, upstream)
    (gradient,) = torch.autograd.grad(out.loss, z_e)
    commitment = 2 * 0.25 / z_e.numel() * (z_e - out.quantized)
    torch.testing.assert_close(gradient, commitment)


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_the_commitment_gradient_is_that_of_finite_differences(
    make: Make, update: str
) -> None:
    bottleneck = make(assign="hard", update=update, slices=2, commitment=0.7)
    z_e = torch.randn(2, 3, 8, requires_grad=True)
    before = bottleneck(z_e)
    upstream = torch.randn(2, 3, 8)
    total = (before.quantized * upstream).sum() + before.loss
    (gradient,) = torch.autograd.grad(total, z_e)
    # The codebook loss is about codes alone, but of the same value where beta is 1.
    part = 0.7 / (0.7 + (update == "gradient"))
    step, slopes = 1e-2, torch.zeros(48)
    for index in range(48):
        ends = []
        for sign in (1, -1):
            moved = z_e.detach().clone()
            moved.view(-1)[index] += sign * step
            out = bottleneck(moved)
            assert torch.equal(out.codes, before.codes)
            ends.append(out.loss.item())
        slopes[index] = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(
        gradient, upstream + part * slopes.view(2, 3, 8), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_forward_value_is_the_mix_of_codes_however_large_z_is(
    make: Make, assign: str
) -> None:
    bottleneck = make(assign=assign)
    out = bottleneck(1e4 * torch.randn(3, 4, 8))
    torch.testing.assert_close(
        out.quantized, averaged(bottleneck, out.weights), rtol=1e-6, atol=1e-6
    )


def test_hard_output_is_the_lookup_of_its_codes(make: Make) -> None:
    bottleneck = make(assign="hard", slices=4)
    out = bottleneck(torch.randn(3, 5, 8))
    assert torch.equal(out.quantized, bottleneck.lookup(out.codes))
    assert torch.equal(out.weights.argmax(-1), out.codes)


@pytest.mark.parametrize("num_samples", [0, 10])
def test_soft_goes_to_hard_as_distances_grow(make: Make, num_samples: int) -> None:
    soft = make(assign="soft", num_samples=num_samples)
    hard = make(assign="hard")
    soft.table.codes.mul_(1000)
    hard.load_state_dict(soft.state_dict())
    z_e = 1000 * torch.randn(4, 5, 8)
    soft_out, hard_out = soft(z_e), hard(z_e)
    torch.testing.assert_close(soft_out.weights, hard_out.weights)
    torch.testing.assert_close(soft_out.quantized, hard_out.quantized)
    assert soft_out.metrics["posterior_entropy"] == pytest.approx(0, abs=1e-4)


def test_a_high_temperature_makes_the_posterior_uniform(make: Make) -> None:
    out = make(num_samples=0, temperature=1e6)(torch.randn(4, 5, 8))
    torch.testing.assert_close(
        out.weights, torch.full_like(out.weights, 1 / 8), rtol=1e-3, atol=0.0
    )


def test_slices_are_quantizers_of_their_own(make: Make) -> None:
    product = make(slices=2, assign="soft", num_samples=0)
    plain = [make(width=4, assign="soft", num_samples=0) for _ in range(2)]
    for index, single in enumerate(plain):
        for name, value in single.table.state_dict().items():
            if value.dim() > 0:
                value.copy_(product.table.state_dict()[name][index : index + 1])
    for _ in range(3):
        z_e = torch.randn(3, 5, 8)
        out = product(z_e)
        parts = [single(z) for single, z in zip(plain, z_e.split(4, dim=-1))]
        for single in (product, *plain):
            single.m_step()
        torch.testing.assert_close(
            out.quantized, torch.cat([part.quantized for part in parts], -1)
        )
        assert torch.equal(out.codes, torch.cat([part.codes for part in parts], -1))
        torch.testing.assert_close(
            out.weights, torch.cat([part.weights for part in parts], 2)
        )
        torch.testing.assert_close(
            product.codebook, torch.cat([single.codebook for single in plain])
        )


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_evaluation_moves_nothing_and_repeats_exactly(
    make: Make, state: Callable, same: Callable, update: str
) -> None:
    bottleneck = make(update=update, restart_after=1, temperature_scale="relative")
    bottleneck.eval()
    before, z_e = state(bottleneck), torch.randn(3, 4, 8)
    first, second = bottleneck(z_e), bottleneck(z_e)
    bottleneck.m_step()
    assert same(state(bottleneck), before)
    assert torch.equal(first.quantized, second.quantized)
    assert torch.equal(first.quantized, bottleneck.lookup(first.codes))
    assert torch.equal(first.weights.argmax(-1), first.codes)


def test_a_frozen_forward_moves_nothing(
    make: Make, state: Callable, same: Callable
) -> None:
    bottleneck = make(restart_after=1)
    before = state(bottleneck, updates=False)
    with bottleneck.frozen():
        with bottleneck.frozen():
            bottleneck(torch.randn(3, 4, 8))
        bottleneck(torch.randn(3, 4, 8))
    bottleneck.m_step()
    assert same(state(bottleneck, updates=False), before)
    bottleneck(torch.randn(3, 4, 8))
    bottleneck.m_step()
    assert not same(state(bottleneck, updates=False), before)


def test_frozen_ends_with_an_exception(make: Make) -> None:
    bottleneck = make()
    with pytest.raises(KeyError), bottleneck.frozen():
        raise KeyError
    assert bottleneck.gathers


def test_warm_up_passes_z_and_then_starts_from_data(make: Make) -> None:
    bottleneck = make(init="data", warmup_updates=3, decay=0.9)
    first = bottleneck.codebook.clone()
    batches = torch.randn(4, 2, 10, 8)
    for n in range(3):
        bottleneck.set_num_updates(n)
        z_e = batches[n].clone().requires_grad_()
        out = bottleneck(z_e)
        assert torch.equal(out.quantized, z_e)
        assert out.loss.item() == 0
        assert torch.equal(out.weights.argmax(-1), out.codes)
        assert torch.equal(out.weights.sum(-1), torch.ones(2, 10, 1))
        (out.quantized.sum() + out.loss).backward()
        assert z_e.grad is not None and torch.equal(z_e.grad, torch.ones_like(z_e))
        assert torch.equal(bottleneck.codebook, first)
        bottleneck.m_step()
    assert not torch.equal(bottleneck.codebook, first)
    bottleneck.set_num_updates(3)
    out = bottleneck(batches[3])
    assert out.loss.item() > 0
    torch.testing.assert_close(out.quantized, averaged(bottleneck, out.weights))


def test_warm_up_rests_a_random_codebook(
    make: Make, state: Callable, same: Callable
) -> None:
    bottleneck = make(warmup_updates=2)
    before = state(bottleneck, updates=False)
    for n in range(2):
        z_e = torch.randn(2, 10, 8)
        assert torch.equal(bottleneck(z_e).quantized, z_e), n
        bottleneck.m_step()
    assert same(state(bottleneck, updates=False), before)
    assert not bottleneck.passes_through


def test_warm_up_reaches_the_codebook_parameter(make: Make) -> None:
    """Data-parallel training refuses parameters that get no gradient."""
    bottleneck = make(update="gradient", warmup_updates=2)
    bottleneck(torch.randn(2, 3, 8)).loss.backward()
    assert bottleneck.codebook.grad is not None
    assert bottleneck.codebook.grad.abs().sum() == 0


def test_relative_temperature_ignores_the_scale_of_the_data(make: Make) -> None:
    options: dict[str, Any] = {
        "temperature": 0.3,
        "temperature_scale": "relative",
        "num_samples": 0,
        "decay": 0.9,
    }
    small, large = make(**options), make(**options)
    large.load_state_dict(small.state_dict())
    for name in ("codes", "ema_sums"):
        getattr(large.table, name).mul_(32)
    for _ in range(4):
        z_e = torch.randn(3, 5, 8)
        a, b = small(z_e), large(32 * z_e)
        torch.testing.assert_close(a.weights, b.weights)
        assert b.metrics["temperature"] == pytest.approx(
            32**2 * a.metrics["temperature"], rel=1e-4
        )
        small.m_step()
        large.m_step()


def test_relative_temperature_is_a_running_mean(make: Make) -> None:
    bottleneck = make(
        temperature=0.5, temperature_scale="relative", decay=0.9, slices=2
    )
    scale = None
    for _ in range(3):
        z_e = torch.randn(4, 5, 8)
        z = z_e.unflatten(-1, (2, 4)).unsqueeze(-2)  # (B, L, G, 1, D)
        distances = (z - bottleneck.codebook).square().sum(-1)  # (B, L, G, K)
        batch = distances.sort(-1).values[..., 1].mean((0, 1))  # (G,)
        shown = batch if scale is None else scale
        temperature = bottleneck(z_e).metrics["temperature"]
        assert temperature == pytest.approx(0.5 * shown.mean().item(), rel=1e-5)
        scale = batch if scale is None else 0.9 * scale + 0.1 * batch
        bottleneck.m_step()
        torch.testing.assert_close(bottleneck.table.distance_scale, scale)


def test_the_posterior_of_a_collapsed_codebook_stays_finite(make: Make) -> None:
    bottleneck = make(temperature_scale="relative")
    bottleneck.table.codes.zero_()
    out = bottleneck(torch.zeros(2, 3, 8))
    assert out.quantized.isfinite().all() and out.loss.isfinite()


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_what_overflows_is_refused_like_what_is_not_finite(
    make: Make, state: Callable, same: Callable, assign: str
) -> None:
    bottleneck = make(assign=assign)
    before, z_e = state(bottleneck, updates=False), torch.randn(2, 3, 8)
    z_e[1, 2, 3] = 1e30
    with pytest.raises(ValueError, match="`z_e` must be finite .* in update 0"):
        bottleneck(z_e)
    bottleneck.m_step()
    assert same(state(bottleneck, updates=False), before)


def test_a_codebook_that_is_not_finite_is_refused(make: Make) -> None:
    bottleneck = make(update="gradient")
    bottleneck.codebook.data[0, 3, 2] = float("nan")
    with pytest.raises(ValueError, match="so must the codebook"):
        bottleneck(torch.randn(2, 3, 8))


@pytest.mark.parametrize(
    "options",
    [
        {"assign": "hard", "restart_after": 2, "num_codes": 32},
        {"temperature_scale": "relative", "slices": 2, "decay": 0.9},
        {"init": "data", "warmup_updates": 2, "restart_after": 3},
        {"init": "data", "warmup_updates": 8, "slices": 2},
        {"init": "data", "num_codes": 120},  # of which 100 have come when it is saved
        {"update": "gradient", "restart_after": 2, "num_codes": 32},
    ],
)
def test_a_resumed_run_equals_an_unbroken_one(
    make: Make, train: Callable, options: dict[str, Any]
) -> None:
    batches = list(torch.randn(55, 2, 10, 8))
    unbroken, resumed = make(**options), make(**options)
    train(unbroken, batches[:5])
    file = io.BytesIO()
    torch.save(unbroken.state_dict(), file)
    file.seek(0)
    random_state = torch.get_rng_state()
    train(unbroken, batches[5:])
    resumed.load_state_dict(torch.load(file, weights_only=True))
    torch.set_rng_state(random_state)
    train(resumed, batches[5:])
    assert unbroken.state_dict().keys() == resumed.state_dict().keys()
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_checkpoint_with_one_count_for_uses_and_restarts_loads(
    make: Make, train: Callable
) -> None:
    trained, loaded = (make(assign="hard", decay=0.75) for _ in range(2))
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)
    train(trained, [z_e] * 5)
    saved = {k: v for k, v in trained.state_dict().items() if ".use." not in k}
    loaded.load_state_dict(saved)
    expected, figures = trained(z_e).metrics, loaded(z_e).metrics
    assert figures["dead_codes"] == expected["dead_codes"] == 7 / 8


def test_a_loaded_model_knows_that_its_warm_up_is_over(
    make: Make, train: Callable
) -> None:
    trained, loaded = (make(init="data", warmup_updates=2) for _ in range(2))
    train(trained, list(torch.randn(3, 2, 10, 8)))
    loaded.load_state_dict(trained.state_dict())
    z_e = torch.randn(2, 3, 8)
    out = loaded.eval()(z_e)
    assert torch.equal(out.quantized, trained.eval()(z_e).quantized)
    assert torch.equal(out.quantized, loaded.lookup(out.codes))


def test_metrics_are_floats_of_known_range(make: Make) -> None:
    metrics = make(slices=2)(torch.randn(3, 5, 8)).metrics
    assert all(type(value) is float for value in metrics.values())
    assert 1 <= metrics["perplexity"] <= 8
    assert 0 < metrics["used_codes"] <= 1
    assert metrics["window_perplexity"] == pytest.approx(8)
    assert metrics["dead_codes"] == metrics["restarted_codes"] == 0


def test_dead_codes_are_those_unused_for_a_window(make: Make) -> None:
    bottleneck = make(assign="hard", decay=0.75)  # a window of 4 updates
    z_e = torch.randn(1, 1, 8).expand(1, 5, 8)
    for n in range(5):
        assert bottleneck(z_e).metrics["dead_codes"] == (7 / 8 if n >= 4 else 0)
        bottleneck.m_step()


def test_memory_is_not_vectors_times_codes_times_width(make: Make) -> None:
    bottleneck = make(width=64, num_codes=200)
    sizes: list[int] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                sizes.append(out.numel())
            return out

    with Watch():
        bottleneck(torch.randn(1, 100, 64))
        bottleneck.m_step()
    assert max(sizes) == 100 * 200


def test_statistics_of_large_half_precision_vectors_stay_finite(make: Make) -> None:
    """In float16 a squared distance of 300 a dimension would be infinite."""
    bottleneck = make(assign="hard", width=16)
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype):
            z_e = torch.nn.functional.linear(torch.ones(2, 3, 16), torch.eye(16))
            assert z_e.dtype == dtype
            out = bottleneck(300 * z_e)
        bottleneck.m_step()
        assert out.loss.isfinite() and out.loss.dtype == torch.float32
        assert out.loss > 0.25 * 250**2
        for name, buffer in bottleneck.named_buffers():
            assert not buffer.is_floating_point() or buffer.dtype == torch.float32
            assert buffer.isfinite().all(), name


def test_one_line_says_the_options(make: Make) -> None:
    line = make(slices=2, restart_after=9, num_samples=0).extra_repr()
    assert "\n" not in line
    for part in ("num_codes=8", "slices=2", "samples=exact", "restart_after=9"):
        assert part in line


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_what_passes_straight_through_moves_no_code(make: Make, assign: str) -> None:
    """Codes learn by their own loss, never by that of the decoder."""
    bottleneck = make(assign=assign, update="gradient", num_samples=4)
    z_e = torch.randn(3, 5, 8, requires_grad=True)
    bottleneck(z_e).quantized.square().sum().backward()
    assert z_e.grad is not None and z_e.grad.abs().sum() > 0
    assert all(p.grad is None or not p.grad.any() for p in bottleneck.parameters())
