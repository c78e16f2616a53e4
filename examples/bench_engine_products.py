"""Times the engine's products: shapes × rows × instruction sets, one thread.

    python examples/bench_engine_products.py --out products.json

Random weights. A product is what a model pays for it: rows are quantised, multiplied,
scaled, and what follows is fused (ReLU, or argmax at the vocabulary). `--compare` adds
oneDNN as PyTorch calls it (int8 with a scale per output, ReLU fused; rows are quantised
before the clock starts, and at the vocabulary `argmax` follows) and ONNX Runtime's
DynamicQuantizeMatMul. Both pay for a call from Python, which `--shapes 16x16` tells.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import thread_time
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from examples.lib.engine_products import microseconds, times_of, weights
from examples.lib.scripts import positive
from vq_nat.engine import engine, packing

SHAPES = ((192, 768), (768, 192), (192, 6000), (512, 2048), (2048, 512), (512, 32000))
ROWS = (1, 3, 16, 27, 64, 512)
ARGMAX_FROM = 4096  # outputs: a vocabulary


def least(call: Callable[[], Any]) -> float:
    """Returns the time of a call from Python."""

    def measure(repeats: int, at_once: int) -> list[float]:
        times = []
        for _ in range(repeats):
            start = thread_time()
            for _ in range(at_once):
                call()
            times.append((thread_time() - start) / at_once)
        return times

    return times_of(measure)


def onednn(dense: Any, x: Any, what: str) -> Callable[[], Any]:
    """Returns a product of oneDNN, on rows that are already int8."""
    import torch

    torch.set_num_threads(1)
    whole, scales = packing.quantise(dense)
    ops = torch.ops.onednn
    weight = ops.qlinear_prepack(torch.from_numpy(whole), list(x.shape))
    bytes_ = torch.from_numpy(x * 30 + 128).clamp(0, 255).to(torch.uint8)
    zeros = torch.zeros(len(whole), dtype=torch.int32)
    bias = torch.zeros(len(whole))
    after = "none" if what == "argmax" else "relu"

    def call() -> Any:
        y = ops.qlinear_pointwise(
            *(bytes_, 1 / 30, 128, weight, torch.from_numpy(scales), zeros, bias),
            *(1.0, 0, torch.float32, after, [], ""),
        )
        return y.argmax(1) if what == "argmax" else y

    return call


def onnxruntime(dense: Any, x: Any, what: str) -> Callable[[], Any]:
    """Returns a product of ONNX Runtime, which quantises its rows."""
    import onnx
    from onnx import TensorProto, helper
    from onnxruntime import InferenceSession, SessionOptions

    whole, scales = packing.quantise(dense)
    weight = onnx.numpy_helper.from_array(np.ascontiguousarray(whole.T), "w")
    scale = onnx.numpy_helper.from_array(scales, "s")
    nodes = [
        helper.make_node(
            "DynamicQuantizeMatMul", ["x", "w", "s"], ["h"], domain="com.microsoft"
        ),
        helper.make_node("ArgMax", ["h"], ["y"], axis=1)
        if what == "argmax"
        else helper.make_node("Relu", ["h"], ["y"]),
    ]
    y = helper.make_tensor_value_info(
        "y", TensorProto.INT64 if what == "argmax" else TensorProto.FLOAT, None
    )
    shape = helper.make_tensor_value_info(
        "x", TensorProto.FLOAT, [None, dense.shape[1]]
    )
    graph = helper.make_graph(nodes, "product", [shape], [y], [weight, scale])
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=9)
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(model.SerializeToString(), options)
    return lambda: session.run(None, {"x": x})


OTHERS = {"oneDNN (PyTorch)": onednn, "ONNX Runtime": onnxruntime}


def rows_of(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields a result for each shape, number of rows and system."""
    rng = np.random.default_rng(1)
    for inputs, outputs in options.shapes:
        dense = rng.standard_normal((outputs, inputs), dtype=np.float32)
        matrix = weights(dense, options.number_format)
        what = "argmax" if outputs >= ARGMAX_FROM else "linear"
        for rows in options.rows:
            x = rng.standard_normal((rows, inputs), dtype=np.float32)
            times = {}
            for name in options.sets:
                engine().choose(name)
                times[f"vq-nat {name}"] = microseconds(matrix, x, what)
            for name, product in OTHERS.items() if options.compare else ():
                times[name] = least(product(dense, x, what))
            for system, time in times.items():
                yield {
                    "inputs": inputs,
                    "outputs": outputs,
                    "rows": rows,
                    "what": what,
                    "system": system,
                    "number_format": options.number_format,
                    "us": round(time, 2),
                    "gop_per_s": round(2e-3 * rows * inputs * outputs / time, 1),
                    "weights_gb_per_s": round(1e-3 * inputs * outputs / time, 1),
                }


def shape(text: str) -> tuple[int, int]:
    """Parses the inputs and outputs of a product."""
    inputs, _, outputs = text.partition("x")
    try:
        return positive(inputs), positive(outputs)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be INPUTSxOUTPUTS, such as 192x768, but is {text!r} instead"
        ) from None


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints a line each, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", nargs="+", choices=engine().supported(), default=engine().supported()
    )
    parser.add_argument("--rows", nargs="+", type=positive, default=ROWS)
    parser.add_argument("--number-format", default="int8", choices=("int8", "float32"))
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=shape,
        default=SHAPES,
        help="inputs x outputs, such as 192x768",
    )
    parser.add_argument("--compare", action="store_true", help="with other libraries")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for row in rows_of(options):
        rows.append(row)
        print(
            f"{row['inputs']:5}x{row['outputs']:<6} {row['rows']:4} rows "
            f"{row['system']:17} {row['us']:11.2f} µs {row['gop_per_s']:8.1f} Gop/s",
            flush=True,
        )
    if options.out:
        machine: dict[str, Any] = {
            "machine": platform.processor() or platform.machine()
        }
        machine["load"] = os.getloadavg()[0]
        options.out.write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
