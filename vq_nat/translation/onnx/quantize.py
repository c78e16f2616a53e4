"""Matrix products of a graph in 8 bits, so that no result depends on the batch.

Weights have a scale for each output, computed once. Inputs get a scale for each row at
run time, x ≈ q · max|x| / 127. With one scale for a whole tensor, as in ONNX Runtime's
own quantisation, the other sentences of a batch would change a sentence's words. Sums
are whole numbers, and exact: both sides are bytes without a sign. Where only one has a
sign and the CPU has no VNNI, ONNX Runtime adds pairs in 16 bits, and cuts them off.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from ...engine.packing import LARGEST, quantise
from .runtime import require

RUNTIME = "com.microsoft"  # the domain of ONNX Runtime's operators
ZERO = 128  # of rows and weights, as bytes without a sign
TINY = 1e-30  # instead of the largest value of a row of zeros


def quantize(path: Path) -> None:
    """Quantises the products of a graph with fixed weights, in place."""
    onnx = require("onnx")
    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list(graph.node)
    rewriter = Rewriter(onnx)
    rewritten: list[Any] = []
    for node in nodes:
        fixed = node.op_type in ("MatMul", "Gemm") and node.input[1] in weights
        rewritten += rewriter.rewrite(node, weights) if fixed else [node]
    del graph.node[:]
    graph.node.extend(rewritten)
    graph.initializer.extend(rewriter.constants)
    read = {name for node in rewritten for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    if RUNTIME not in {one.domain for one in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(RUNTIME, 1))
    onnx.save(model, str(path))


class Rewriter:
    """Writes other nodes in a product's place.

    Args:
        onnx: the package.
    """

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.count = onnx, 0
        self.constants: list[Any] = [
            self._tensor("row_tiny", numpy.float32(TINY)),
            self._tensor("row_step", numpy.float32(1 / LARGEST)),
            self._tensor("row_zero", numpy.uint8(ZERO)),
        ]

    def rewrite(self, node: Any, weights: dict[str, Any]) -> Iterator[Any]:
        """Yields the nodes that compute the same product. Shape: (…, K) → (…, N)."""
        name = f"row{self.count}"
        self.count += 1
        weight = self.onnx.numpy_helper.to_array(weights[node.input[1]])
        options = {one.name: one for one in node.attribute}
        if "transB" not in options or not options["transB"].i:
            weight = weight.T  # (N, K)
        whole, scales = quantise(weight)
        self.constants += [
            self._tensor(f"{name}_weight", (whole.T + numpy.int16(ZERO)).astype("u1")),
            self._tensor(f"{name}_scales", scales),
        ]
        make = self.onnx.helper.make_node
        x, y = node.input[0], node.output[0]
        bias = list(node.input[2:])
        yield make("Abs", [x], [f"{name}_abs"])
        yield make("ReduceMax", [f"{name}_abs"], [f"{name}_max"], axes=[-1], keepdims=1)
        yield make("Max", [f"{name}_max", "row_tiny"], [f"{name}_largest"])
        yield make("Div", [x, f"{name}_largest"], [f"{name}_part"])
        yield make(
            "QuantizeLinear",
            [f"{name}_part", "row_step", "row_zero"],
            [f"{name}_bytes"],
        )
        inputs = ["bytes", "weight", "scales"]
        inputs = [f"{name}_{one}" for one in inputs]
        inputs[2:2] = ["row_step"]
        yield make(
            "MatMulIntegerToFloat",
            [*inputs, "row_zero", "row_zero"],
            [f"{name}_product"],
            domain=RUNTIME,
        )
        scaled = f"{name}_scaled" if bias else y
        yield make("Mul", [f"{name}_product", f"{name}_largest"], [scaled])
        if bias:
            yield make("Add", [scaled, *bias], [y])

    def _tensor(self, name: str, values: Any) -> Any:
        return self.onnx.numpy_helper.from_array(numpy.asarray(values), name)
