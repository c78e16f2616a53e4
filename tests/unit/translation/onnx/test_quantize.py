"""Products in 8 bits: their sums are exact on every processor."""

from pathlib import Path

import numpy
import pytest

from vq_nat.translation.onnx.quantize import quantize

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def product(folder: Path, weight: numpy.ndarray) -> Path:
    """Writes a graph of one product, in 8 bits. Shape: weight (K, N)."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "product",
        [value("x", onnx.TensorProto.FLOAT, ["rows", weight.shape[0]])],
        [value("y", onnx.TensorProto.FLOAT, ["rows", weight.shape[1]])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    path = folder / "product.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    quantize(path)
    return path


@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize(("k", "n"), [(16, 8), (33, 5), (192, 100)])
def test_whole_numbers_give_exact_products(
    tmp_path: Path, rows: int, k: int, n: int
) -> None:
    """The largest are 127, so all scales are 1; pairs of them must not be cut off."""
    generator = numpy.random.default_rng(rows * k)
    x = generator.integers(-127, 128, (rows, k)).astype("f4")
    weight = generator.integers(-127, 128, (k, n)).astype("f4")
    x[:, :8], weight[:8] = 127, 127
    session = runtime.InferenceSession(
        product(tmp_path, weight), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x})
    numpy.testing.assert_allclose(y, x @ weight, rtol=1e-5, atol=0.5)
