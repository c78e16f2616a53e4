"""What holds for every member of the family: precision, shapes, what is refused."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from averages import averaged
from family import Make, every_member
from torch import Tensor, nn


@every_member
def test_shapes_and_types(make: Make, options: dict[str, Any]) -> None:
    bottleneck = make(**options)
    out = bottleneck(torch.randn(3, 5, 8))
    shape = (3, 5, bottleneck.num_slices)
    assert out.quantized.shape == (3, 5, 8) and out.quantized.dtype == torch.float32
    assert out.codes.shape == shape and out.codes.dtype == torch.int64
    assert out.weights.shape == (*shape, bottleneck.num_codes)
    assert not out.weights.requires_grad
    assert out.loss.shape == () and out.loss.dtype == torch.float32
    assert all(type(value) is float for value in out.metrics.values())
    torch.testing.assert_close(out.weights.sum(-1), torch.ones(shape))


@every_member
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(
    make: Make, options: dict[str, Any], training: bool, dtype: torch.dtype
) -> None:
    start, z_e = make(**options).train(training), torch.randn(3, 5, 8)
    results = []
    for enabled in (False, True):
        torch.manual_seed(2)
        bottleneck = deepcopy(start)
        with torch.autocast("cpu", dtype, enabled=enabled):
            out = bottleneck(z_e)
            bottleneck.m_step()
            results.append([out.quantized, out.weights, out.loss])
            if options.get("kind") != "identity":
                results[-1] += [bottleneck.lookup(out.codes), bottleneck.codebook]
    for a, b in zip(*results):
        assert a.dtype == torch.float32 and torch.equal(a, b)


def test_autocast_does_not_change_the_first_codebook(make: Make) -> None:
    """Its clusters are found in the M-step, which a training loop may autocast."""
    start = make(num_codes=64, init="data", assign="hard").train()
    z_e, codebooks = torch.randn(1, 512, 8), []
    for enabled in (False, True):
        bottleneck = deepcopy(start)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            bottleneck(z_e)
            bottleneck.m_step()
        codebooks.append(bottleneck.codebook)
    assert codebooks[0].equal(codebooks[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_torch_s_default_type_is_not_the_codebook_s(
    make: Make, assign: str, dtype: torch.dtype
) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        bottleneck = make(assign=assign)
        out = bottleneck(torch.randn(2, 3, 8, dtype=torch.float32))
        bottleneck.m_step()
    finally:
        torch.set_default_dtype(before)
    assert out.quantized.dtype == bottleneck.codebook.dtype == torch.float32


@every_member
def test_codes_that_are_none_are_refused(make: Make, options: dict[str, Any]) -> None:
    if options.get("kind") == "identity":
        return
    bottleneck = make(**options)
    shape, most = (1, 2, bottleneck.num_slices), bottleneck.num_codes - 1
    assert bottleneck.lookup(torch.full(shape, most)).shape == (1, 2, 8)
    for code in (-1, most + 1):
        with pytest.raises(ValueError, match=f"`codes` must be from 0 to {most}, but"):
            bottleneck.lookup(torch.full(shape, code))
    with pytest.raises(ValueError, match="`codes` must be of shape .B, L, "):
        bottleneck.lookup(torch.zeros(1, 2, shape[2] + 1, dtype=torch.long))


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_vectors_are_floating_point(make: Make, dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="`z_e` must be of a floating-point type, but"):
        make()(torch.zeros(1, 2, 8).to(dtype))


@every_member
def test_inputs_of_less_precision_are_taken(
    make: Make, options: dict[str, Any]
) -> None:
    z_e = torch.randn(3, 5, 8).bfloat16().requires_grad_()
    out = make(**options)(z_e)
    (out.quantized.sum() + out.loss).backward()
    assert out.quantized.dtype == out.loss.dtype == torch.float32
    assert z_e.grad is not None and z_e.grad.dtype == torch.bfloat16


@every_member
@pytest.mark.parametrize("convert", ["half", "bfloat16", "double", "float"])
def test_converting_the_model_leaves_the_bottleneck_in_float32(
    make: Make, options: dict[str, Any], convert: str
) -> None:
    model = nn.ModuleDict({"linear": nn.Linear(2, 2), "bottleneck": make(**options)})
    before = deepcopy(model["bottleneck"].state_dict())
    getattr(model, convert)()
    for name, value in model["bottleneck"].state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    assert all(
        not value.is_floating_point() or value.dtype == torch.float32
        for value in model["bottleneck"].buffers()
    )
    expected = getattr(torch.zeros(1), convert)().dtype
    assert model["linear"].weight.dtype == expected


@every_member
def test_the_bottleneck_moves_between_devices(
    make: Make, options: dict[str, Any]
) -> None:
    moved = make(**options).to("meta", torch.float16)
    tensors = [*moved.parameters(), *moved.buffers()]
    assert all(tensor.is_meta for tensor in tensors)
    assert torch.float16 not in {tensor.dtype for tensor in tensors}


@every_member
def test_lookup_and_embed_agree_with_the_codebook(
    make: Make, options: dict[str, Any]
) -> None:
    if options.get("kind") == "identity":
        pytest.skip("there is no codebook")
    bottleneck = make(**options)
    slices, num_codes = bottleneck.num_slices, bottleneck.num_codes
    width = 8 if bottleneck.adds_slices else 8 // slices
    assert bottleneck.codebook.shape == (slices, num_codes, width)
    codes = torch.randint(num_codes, (3, 5, slices))
    parts = torch.stack(
        [bottleneck.codebook[row, codes[..., row]] for row in range(slices)], dim=2
    )
    slow = parts.sum(dim=2) if bottleneck.adds_slices else parts.flatten(-2)
    torch.testing.assert_close(bottleneck.lookup(codes), slow)
    one_hots = nn.functional.one_hot(codes, num_codes)
    torch.testing.assert_close(averaged(bottleneck, one_hots.float()), slow)


@every_member
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused_naming_the_update(
    make: Make, state: Callable, same: Callable, options: dict[str, Any], bad: float
) -> None:
    bottleneck = make(**options)
    bottleneck.set_num_updates(7)
    before, z_e = state(bottleneck, updates=False), torch.randn(2, 3, 8)
    z_e[1, 2, 3] = bad
    with pytest.raises(ValueError, match="`z_e` must be finite .* in update 7"):
        bottleneck(z_e)
    bottleneck.m_step()
    assert same(state(bottleneck, updates=False), before)


@every_member
def test_evaluation_gives_no_codes_for_what_is_no_number(
    make: Make, options: dict[str, Any]
) -> None:
    if options.get("kind") == "identity":
        pytest.skip("there are no codes")
    bottleneck, z_e = make(**options).eval(), torch.randn(2, 3, 8)
    z_e[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="`z_e` must be finite"):
        bottleneck(z_e)


# Which figures stand in the log of which kind; `quantization_error` only where what the
# decoder sees is meant to be near to z_e, and no entropy without a distribution.
FIGURES = {
    "vq": {
        *(
            "perplexity",
            "window_perplexity",
            "used_codes",
            "recent_codes",
            "dead_codes",
        ),
        *("restarted_codes", "posterior_entropy", "quantization_error"),
        *("temperature", "num_samples", "unquantized"),
    },
    "semhash": {
        "perplexity",
        "used_codes",
        "recent_codes",
        "dead_codes",
        "posterior_entropy",
    },
    "gumbel": {
        *(
            "perplexity",
            "used_codes",
            "recent_codes",
            "dead_codes",
            "posterior_entropy",
        ),
        "temperature",
    },
    "fsq": {
        "perplexity",
        "used_codes",
        "recent_codes",
        "dead_codes",
        "quantization_error",
    },
    "lfq": {
        *("perplexity", "used_codes", "recent_codes", "dead_codes"),
        *("posterior_entropy", "quantization_error"),
    },
    "identity": set(),
}


@every_member
@pytest.mark.parametrize("training", [True, False])
def test_every_kind_reports_its_figures(
    make: Make, options: dict[str, Any], training: bool
) -> None:
    metrics = make(**options).train(training)(torch.randn(3, 5, 8)).metrics
    assert metrics.keys() == FIGURES[options.get("kind", "vq")]
    assert all(math.isfinite(value) for value in metrics.values())


@every_member
def test_in_evaluation_nothing_moves(
    make: Make, train: Callable, state: Callable, same: Callable, options: dict
) -> None:
    bottleneck = make(**options)
    train(bottleneck, list(torch.randn(3, 2, 5, 8)))
    before = state(bottleneck.eval())
    train(bottleneck, list(torch.randn(3, 2, 5, 8)))
    assert same(state(bottleneck), before)


@every_member
def test_a_checkpoint_says_where_the_training_is(
    make: Make, train: Callable, state: Callable, same: Callable, options: dict
) -> None:
    trained, loaded = make(**options), make(**options)
    train(trained, list(torch.randn(3, 2, 5, 8)))
    loaded.load_state_dict(trained.state_dict())
    assert loaded.num_updates == 3
    assert same(loaded.state_dict(), trained.state_dict())


@every_member
def test_checkpoints_without_the_counters_load(
    make: Make, train: Callable, options: dict[str, Any]
) -> None:
    trained, loaded = make(**options), make(**options)
    train(trained, list(torch.randn(3, 2, 5, 8)))
    is_vq = options.get("kind", "vq") == "vq"
    old = {
        name: value
        for name, value in trained.state_dict().items()
        if not name.startswith(("use.", "table.use.", "recent."))
        and (is_vq or name != "_extra_state")
    }
    loaded.load_state_dict(old)
    z_e = torch.randn(2, 5, 8)
    a, b = trained.eval()(z_e), loaded.eval()(z_e)
    assert torch.equal(a.codes, b.codes) and torch.equal(a.quantized, b.quantized)


@every_member
def test_what_is_discarded_leaves_no_trace(
    make: Make, train: Callable, state: Callable, same: Callable, options: dict
) -> None:
    plain, interrupted = make(**options), make(**options)
    interrupted.load_state_dict(plain.state_dict())
    for batch in torch.randn(4, 2, 5, 8):
        interrupted(torch.randn(3, 5, 8))
        interrupted.discard()
        for bottleneck in (plain, interrupted):
            torch.manual_seed(2)
            train(bottleneck, [batch])
    assert same(state(plain), state(interrupted))


@every_member
def test_a_copy_after_training_works(make: Make, options: dict[str, Any]) -> None:
    bottleneck = make(**options)
    z_e = torch.randn(2, 3, 8, requires_grad=True)
    bottleneck(z_e)
    deepcopy(bottleneck)(z_e)


def test_identity_passes_everything_and_has_no_codes(make: Make) -> None:
    bottleneck, z_e = make(kind="identity"), torch.randn(2, 3, 8, requires_grad=True)
    out = bottleneck(z_e)
    assert torch.equal(out.quantized, z_e) and out.loss.item() == 0
    out.quantized.sum().backward()
    assert z_e.grad is not None and torch.equal(z_e.grad, torch.ones_like(z_e))
    with pytest.raises(RuntimeError, match="'identity' has no codebook"):
        bottleneck.lookup(out.codes)


@pytest.mark.parametrize(
    ("shape", "mask", "sentence"),
    [
        ((2, 3, 7), None, r"`z_e` must be of shape \(B, L, 8\), but is of shape"),
        ((6, 8), None, r"`z_e` must be of shape \(B, L, 8\), but is of shape"),
        (
            (2, 3, 8),
            torch.ones(2, 3),
            "`mask` must be of bool type, but is torch.float32 instead",
        ),
        (
            (2, 3, 8),
            torch.ones(3, 2).bool(),
            r"`mask` must be of shape \(2, 3\), but is of shape \(3, 2\) instead",
        ),
    ],
)
def test_wrong_shapes_are_refused_by_name(
    make: Make, shape: tuple[int, ...], mask: Tensor | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()(torch.randn(shape), mask)
