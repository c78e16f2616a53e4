"""Layer norm, soft-max, attention and positions: as NumPy computes them."""

from collections.abc import Iterator

import numpy as np
import pytest

from vq_nat.engine import available

if not available():
    pytest.skip("the engine is not compiled", allow_module_level=True)

from vq_nat.engine import engine

SETS = engine().supported()
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


@pytest.fixture(params=SETS, autouse=True)
def each_set(request) -> Iterator[None]:
    """Runs a test with each instruction set."""
    before = engine().instruction_set()
    engine().choose(request.param)
    yield
    engine().choose(before)


def numbers(*shape, seed=0):
    """Returns random float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def softmax(x):
    """Returns the soft-max over the last axis, in float64."""
    e = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("width", [1, 16, 40, 192, 515])
def test_layer_norm(width):
    x, weight, bias = numbers(7, width), numbers(width, seed=1), numbers(width, seed=2)
    mean = x.mean(axis=1, keepdims=True, dtype=np.float64)
    variance = x.var(axis=1, keepdims=True, dtype=np.float64)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * weight + bias
    normed = engine().layer_norm(x, weight, bias)
    np.testing.assert_allclose(normed, expected, rtol=1e-4, atol=1e-5)
    one = engine().layer_norm(x[3:4], weight, bias)
    assert np.array_equal(one, normed[3:4])


@pytest.mark.parametrize("columns", [1, 5, 16, 33, 1000])
def test_softmax_and_its_logarithm(columns):
    x = 10 * numbers(4, columns)
    expected = softmax(x)
    np.testing.assert_allclose(engine().softmax(x), expected, **CLOSE)
    logs = engine().softmax(x, True)
    np.testing.assert_allclose(np.exp(logs), expected, rtol=1e-4, atol=1e-7)


def test_softmax_of_far_values_is_exact():
    x = np.array([[0, -1e4, 5, -np.inf], [1e30, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(engine().softmax(x), softmax(x), **CLOSE)


def attend(q, k, v, heads, scale, seen):
    """Attention in float64; `seen` (Q): how many keys each query sees."""
    size = q.shape[1] // heads
    out = np.zeros(q.shape)
    for h in range(0, q.shape[1], size):
        part = slice(h, h + size)
        for i, keys in enumerate(seen):
            scores = scale * (k[:keys, part] @ q[i, part])
            out[i, part] = softmax(scores) @ v[:keys, part]
    return out


@pytest.mark.parametrize(
    "queries, keys", [(1, 1), (1, 40), (5, 17), (13, 13), (30, 64)]
)
@pytest.mark.parametrize("heads, size", [(1, 16), (3, 20), (2, 64)])
def test_attention(queries, keys, heads, size):
    width = heads * size
    q, k, v = (numbers(n, width, seed=n) for n in (queries, keys, keys))
    expected = attend(q, k, v, heads, 0.3, [keys] * queries)
    attended = engine().attention(q, k, v, heads, 0.3)
    np.testing.assert_allclose(attended, expected, rtol=1e-4, atol=1e-5)


def test_causal_attention_sees_what_came_before():
    q, k, v = (numbers(n, 32, seed=n) for n in (9, 20, 21))
    v = v[:20]
    expected = attend(q, k, v, 2, 1.0, range(5, 14))
    attended = engine().attention(q, k, v, 2, 1.0, causal=True, first_seen=4)
    np.testing.assert_allclose(attended, expected, rtol=1e-4, atol=1e-5)


def test_a_query_does_not_depend_on_the_others():
    q, k, v = (numbers(n, 48, seed=n) for n in (11, 19, 20))
    v = v[:19]
    together = engine().attention(q, k, v, 3, 0.5)
    for first, last in ((0, 1), (2, 7), (10, 11)):
        apart = engine().attention(q[first:last], k, v, 3, 0.5)
        assert np.array_equal(apart, together[first:last])


def test_steps_with_a_cache_equal_the_whole():
    q, k, v = (numbers(8, 32, seed=seed) for seed in range(3))
    whole = engine().attention(q, k, v, 2, 1.0, causal=True)
    for i in range(8):
        step = engine().attention(q[i : i + 1], k[: i + 1], v[: i + 1], 2, 1.0)
        assert np.array_equal(step, whole[i : i + 1])


def test_sinusoids_are_sines_then_cosines():
    table = engine().sinusoids(2, 5, 8)
    rates = np.exp(-np.arange(4) * np.log(10000) / 3)
    angles = np.arange(2, 7)[:, None] * rates
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(table, expected, atol=1e-5)
    assert not engine().sinusoids(0, 1, 7)[:, 6].any()  # an odd width


def test_wrong_heads_are_refused():
    with pytest.raises(ValueError, match="`heads` must divide the width"):
        engine().attention(numbers(1, 32), numbers(1, 32), numbers(1, 32), 5, 1.0)
