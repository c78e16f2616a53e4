"""Products: every instruction set gives the integers of NumPy, and the same floats."""

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vq_nat.engine import available, packing

if not available():
    pytest.skip("the engine is not compiled", allow_module_level=True)

from vq_nat.engine import engine

SETS = engine().supported()
FUSED = [name for name in SETS if name != "portable"]  # these multiply and add at once


@pytest.fixture(autouse=True)
def best_again() -> Iterator[None]:
    """Puts the instruction set back that tests change."""
    before = engine().instruction_set()
    yield
    engine().choose(before)


def weights_of(whole, scales=None, bias=None):
    """Returns the engine's weights of an int8 matrix. Shape: (N, K)."""
    scales = np.ones(len(whole), np.float32) if scales is None else scales
    sums = whole.sum(axis=1, dtype=np.int32)
    return engine().Weights(whole.shape[1], packing.pack(whole), scales, sums, bias)


def random_weights(outputs, inputs, number_format, seed=0, bias=True):
    """Returns random weights of the engine, and what they are as floats (N, K), (N)."""
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((outputs, inputs), dtype=np.float32)
    offsets = rng.standard_normal(outputs, dtype=np.float32) if bias else None
    if number_format == "float32":
        packed = packing.pack_dense(dense)
        return engine().Weights(inputs, outputs, packed, offsets), dense, offsets
    whole, scales = packing.quantise(dense)
    return weights_of(whole, scales, offsets), whole * scales[:, None], offsets


def rows_of(rows, inputs, seed=1):
    """Returns random activations. Shape: (rows, inputs)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, inputs), dtype=np.float32)


def rounded(x):
    """Returns activations as int8 makes them: each row by its largest value."""
    scales = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    return np.rint(x / np.where(scales > 0, scales, 1)) * scales


shapes = st.tuples(st.integers(1, 100), st.integers(1, 200), st.integers(1, 90))
values = st.sampled_from(("random", "least", "largest", "opposite", "alternating"))


def extreme(kind, shape, rng, least):
    """Returns int8 numbers that make sums as large as they can be."""
    if kind == "random":
        return rng.integers(least, 128, shape, dtype=np.int8)
    if kind == "alternating":
        signs = np.indices(shape).sum(axis=0) % 2
        return np.where(signs, 127, least).astype(np.int8)
    fill = {"least": least, "largest": 127, "opposite": -127}[kind]
    return np.full(shape, fill, np.int8)


@settings(max_examples=40, deadline=None)
@given(shapes, values, values, st.integers(0, 2**32 - 1))
def test_all_sets_give_the_exact_integers(shape, of_x, of_weights, seed):
    rows, inputs, outputs = shape
    rng = np.random.default_rng(seed)
    x = extreme(of_x, (rows, inputs), rng, -127)  # what rows are rounded to
    whole = extreme(of_weights, (outputs, inputs), rng, -128)
    expected = x.astype(np.int64) @ whole.astype(np.int64).T
    matrix = weights_of(whole)
    for name in SETS:
        engine().choose(name)
        assert np.array_equal(engine().integers(matrix, x), expected), name


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 70, 37), (33, 192, 130), (3, 64, 16)])
def test_a_linear_layer_is_its_equation(name, number_format, shape):
    rows, inputs, outputs = shape
    engine().choose(name)
    matrix, dense, bias = random_weights(outputs, inputs, number_format)
    x = rows_of(rows, inputs)
    seen = rounded(x) if number_format == "int8" else x
    expected = seen @ dense.T + bias
    more = rows_of(rows, outputs, seed=2)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(engine().linear(matrix, x), expected, **close)
    relu = engine().linear(matrix, x, "relu")
    np.testing.assert_allclose(relu, np.maximum(expected, 0), **close)
    residual = engine().linear(matrix, x, "residual", more)
    np.testing.assert_allclose(residual, expected + more, **close)


@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_sets_with_fused_products_agree_to_the_bit(number_format):
    matrix, _, _ = random_weights(75, 200, number_format)
    x = rows_of(20, 200)
    outputs = []
    for name in FUSED:
        engine().choose(name)
        outputs.append(engine().linear(matrix, x, "relu"))
    assert all(np.array_equal(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_row_does_not_depend_on_the_others(name, number_format):
    engine().choose(name)
    matrix, _, _ = random_weights(50, 130, number_format)
    x = rows_of(40, 130)
    together = engine().linear(matrix, x)
    best = engine().argmax(matrix, x, True)
    for first, last in ((0, 1), (3, 10), (5, 38), (39, 40)):
        apart = engine().linear(matrix, x[first:last])
        assert np.array_equal(apart, together[first:last])
        for one, all_rows in zip(engine().argmax(matrix, x[first:last], True), best):
            assert np.array_equal(one, all_rows[first:last])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
@pytest.mark.parametrize("outputs", [1, 15, 64, 333])
def test_argmax_and_its_sum_are_those_of_the_logits(name, number_format, outputs):
    engine().choose(name)
    matrix, _, _ = random_weights(outputs, 96, number_format)
    x = rows_of(21, 96)
    logits = engine().linear(matrix, x)
    columns, best, sums = engine().argmax(matrix, x, True)
    assert np.array_equal(columns, logits.argmax(axis=1))
    assert np.array_equal(best, logits.max(axis=1))
    expected = np.log(np.exp(logits.astype(np.float64)).sum(axis=1))
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(engine().argmax(matrix, x)[0], columns)


@pytest.mark.parametrize("name", SETS)
def test_of_equal_logits_the_first_column_wins(name):
    engine().choose(name)
    whole = np.ones((100, 64), np.int8)
    whole[:20] = 0
    x = np.ones((2, 64), np.float32)
    assert engine().argmax(weights_of(whole), x)[0].tolist() == [20, 20]


@given(
    st.integers(1, 700), st.integers(1, 9), st.sampled_from([3, 50, 10**6]), st.data()
)
@settings(max_examples=60, deadline=None)
def test_the_best_of_a_row_are_those_of_sorting(size, count, values, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    row = rng.integers(0, values, size).astype(np.float32)  # few values: many are equal
    row[rng.random(size) < data.draw(st.sampled_from([0, 0.01, 1]))] = np.nan
    least = np.where(np.isnan(row), -np.inf, row)
    wanted = sorted(range(size), key=lambda place: -least[place])[:count]
    assert engine().best(row, count) == wanted


@pytest.mark.parametrize("name", SETS)
def test_negative_logits_beat_the_columns_that_fill_a_block(name):
    engine().choose(name)
    matrix = weights_of(np.full((3, 64), -1, np.int8))
    columns, best, sums = engine().argmax(matrix, np.ones((1, 64), np.float32), True)
    assert columns[0] == 0
    assert best[0] == pytest.approx(-64, rel=1e-6)
    assert sums[0] == pytest.approx(-64 + np.log(3), rel=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_rows_are_rounded_by_their_largest_value(name):
    engine().choose(name)
    x = rows_of(5, 70)
    x[3] = 0
    x[4] *= 1e-38  # too small to divide by
    numbers, scales = engine().quantise(x)
    assert np.array_equal(scales[:4], np.abs(x[:4]).max(axis=1) / np.float32(127))
    assert np.array_equal(numbers[3:, :70], np.full((2, 70), 128))
    assert not numbers[:, 70:].any()  # filled up to 128
    assert np.abs(numbers[:3, :70] - 128).max(axis=1).tolist() == [127, 127, 127]
    assert np.abs((numbers[:3, :70] - 128) * scales[:3, None] - x[:3]).max() < 0.02


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.floats(-36, 37), st.integers(0, 2**32 - 1))
def test_no_row_is_rounded_below_the_least_integer(name, inputs, exponent, seed):
    engine().choose(name)
    size = 10.0**exponent
    x = np.random.default_rng(seed).uniform(-size, size, (4, inputs)).astype(np.float32)
    x[0, 0] = -np.float32(size)
    bytes_of, _ = engine().quantise(x)
    assert bytes_of[:, :inputs].min() >= 1 and bytes_of[:, :inputs].max() <= 255


@pytest.mark.parametrize("name", SETS)
def test_a_hostile_output_leaves_the_others_alone(name):
    engine().choose(name)
    whole = np.random.default_rng(1).integers(-127, 128, (20, 70), dtype=np.int8)
    sums = whole.sum(axis=1, dtype=np.int32)
    wanted = engine().linear(weights_of(whole), rows_of(5, 70))
    sums[3], sums[17] = 2**31 - 1, -(2**31)
    ones = np.ones(20, np.float32)
    hostile = engine().Weights(70, packing.pack(whole), ones, sums)
    outputs = engine().linear(hostile, rows_of(5, 70))
    others = np.delete(np.arange(20), [3, 17])
    assert np.array_equal(outputs[:, others], wanted[:, others])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_row_without_numbers_leaves_the_others_alone(name, number_format):
    engine().choose(name)
    matrix, _, _ = random_weights(37, 70, number_format)
    x = rows_of(6, 70)
    wanted, best = engine().linear(matrix, x), engine().argmax(matrix, x, True)
    x[2], x[4, 5] = np.nan, np.inf
    others = [0, 1, 3, 5]
    assert np.array_equal(engine().linear(matrix, x)[others], wanted[others])
    for one, before in zip(engine().argmax(matrix, x, True), best):
        assert np.array_equal(one[others], before[others])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_shortlist_is_the_columns_it_names(name, number_format):
    engine().choose(name)
    matrix, _, _ = random_weights(60, 100, number_format)
    x = rows_of(6, 100)
    columns = np.array([59, 0, 17, 3, 3, *range(20, 40)], np.int32)
    expected = engine().linear(matrix, x)[:, columns]
    assert np.array_equal(engine().shortlist(matrix, x, columns), expected)


def test_a_set_that_is_not_there_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="must be one that this machine has .*altivec"):
        engine().choose("altivec")
    engine().choose("")
    assert engine().instruction_set() == SETS[-1]


def run_with(instruction_set):
    """Imports the engine in a process of its own, forced to an instruction set."""
    code = "from vq_nat.engine import engine; print(engine().instruction_set())"
    environment = {**os.environ, "VQ_NAT_ISA": instruction_set}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_environment_forces_a_set():
    assert run_with("portable").stdout.strip() == "portable"
    refused = run_with("mmx").stderr
    assert "ImportError: The instruction set (`VQ_NAT_ISA`) must be one that" in refused
    assert "but is mmx instead." in refused


def test_wrong_shapes_are_refused_in_sentences():
    matrix, _, _ = random_weights(5, 64, "int8")
    with pytest.raises(ValueError, match="as wide as the weights' inputs"):
        engine().linear(matrix, rows_of(2, 63))
    with pytest.raises(ValueError, match="`residual` must have the shape"):
        engine().linear(matrix, rows_of(2, 64), "residual", rows_of(2, 4))
    with pytest.raises(ValueError, match="`columns` must be outputs"):
        engine().shortlist(matrix, rows_of(2, 64), np.array([5], np.int32))
    whole = np.zeros((5, 64), np.int8)
    scales, sums = np.ones(5, np.float32), np.zeros(5, np.int32)
    with pytest.raises(ValueError, match="must be of one matrix"):
        engine().Weights(65, packing.pack(whole), scales, sums)
    with pytest.raises(ValueError, match="`dense` must have"):
        engine().Weights(65, 5, np.zeros((1, 64, 16), np.float32))
