"""Attention by products, for training on a CPU, against torch's own."""

import pytest
import torch
import torch.nn.functional as F

from vq_nat.nn.transformer import (
    LEAST_KEYS,
    Attention,
    KeyValues,
    TransformerStack,
    attend_in_products,
)


@pytest.fixture
def heads():
    """Makes query, keys and values of T and S positions."""

    def make(target: int, source: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(target + source)
        lengths = (target, source, source)
        return [
            torch.randn(2, 3, n, 4, generator=generator, requires_grad=True)
            for n in lengths
        ]

    return make


@pytest.mark.parametrize("source", [1, 5, LEAST_KEYS - 1, LEAST_KEYS, LEAST_KEYS + 9])
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_gradients_are_those_of_torch(heads, source, masked) -> None:
    own, expected = heads(6, source), heads(6, source)
    lengths = torch.tensor([source, max(1, source // 2)])
    mask = torch.arange(source) < lengths[:, None]
    mask = mask[:, None, None, :] if masked else None
    query, *memory = own
    out = attend_in_products(query, KeyValues(*memory), mask, causal=False)
    other = F.scaled_dot_product_attention(*expected, attn_mask=mask)
    torch.testing.assert_close(out, other)
    out.square().sum().backward()
    other.square().sum().backward()
    for one, two in zip(own, expected):
        torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("length", [1, 7, LEAST_KEYS, 21])
def test_the_past_only_is_seen(heads, length) -> None:
    query, *memory = heads(length, length)
    out = attend_in_products(query, KeyValues(*memory), None, causal=True)
    other = F.scaled_dot_product_attention(query, *memory, is_causal=True)
    torch.testing.assert_close(out, other)


@pytest.mark.parametrize("causal", [False, True])
def test_training_computes_what_decoding_does(causal) -> None:
    torch.manual_seed(1)
    attention, states = Attention(12, heads=3), torch.randn(2, 9, 12)
    query, memory = attention.read(states)
    trained = attention.attend(query, memory, causal=causal)
    with torch.no_grad():
        decoded = attention.attend(query, memory, causal=causal)
    assert trained.requires_grad
    torch.testing.assert_close(trained.detach(), decoded)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("packed_first", [True, False])
def test_packed_layers_follow_weights_that_are_loaded(dtype, packed_first) -> None:
    """Whatever the order in which they are packed, moved and loaded."""
    size = {"count": 2, "width": 8, "heads": 2, "ffn": 16, "dropout": 0.0}
    plain, packed = TransformerStack(**size), TransformerStack(**size)
    if packed_first:
        packed.make_generation_fast_()
    packed.to(dtype)
    if not packed_first:
        packed.make_generation_fast_()
    plain.to(dtype)
    packed.load_state_dict(plain.state_dict())
    x, states = torch.randn(3, 5, 8, dtype=dtype), torch.randn(3, 4, 8, dtype=dtype)
    outputs = []
    for stack in (plain, packed):
        y = x
        for layer, source in zip(stack, stack.project_source(states), strict=True):
            y = layer(y, source=source)
        outputs.append(y)
    torch.testing.assert_close(*outputs)
    assert packed.state_dict().keys() == plain.state_dict().keys()
