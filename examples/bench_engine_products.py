"""Times the engine's products: shapes × rows × instruction sets, one thread.

    python examples/bench_engine_products.py --out products.json

Random weights. A product is what a model pays for it: rows are quantised, multiplied,
scaled, and what follows is fused (ReLU, or argmax at the vocabulary). The weights of a
shape are read from memory that other matrices pushed out of the inner caches, as within
a model, unless `--warm` keeps one matrix.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from vq_nat.engine import engine, packing

SHAPES = ((192, 768), (768, 192), (192, 6000), (512, 2048), (2048, 512), (512, 32000))
ROWS = (1, 3, 16, 27, 64, 512)
ARGMAX_FROM = 4096  # outputs: a vocabulary


def weights(inputs: int, outputs: int, number_format: str, rng: Any) -> Any:
    """Returns random weights of the engine. Shape: (outputs, inputs)."""
    dense = rng.standard_normal((outputs, inputs), dtype=np.float32)
    bias = np.zeros(outputs, dtype=np.float32)
    if number_format == "float32":
        return engine().Weights(inputs, outputs, packing.pack_dense(dense), bias)
    whole, scales = packing.quantise(dense)
    sums = whole.sum(axis=1, dtype=np.int32)
    return engine().Weights(inputs, packing.pack(whole), scales, sums, bias)


def microseconds(matrix: Any, x: Any, what: str) -> float:
    """Returns the least time of a product, over about 0.1 s: cores may be shared."""
    first = max(engine().time(matrix, x, what, 3))
    repeats = int(min(max(0.1 / first, 5), 5000))
    return min(engine().time(matrix, x, what, repeats)) * 1e6


def rows_of(sets: list[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields a result for each shape, number of rows and instruction set."""
    rng = np.random.default_rng(1)
    for inputs, outputs in options.shapes:
        matrix = weights(inputs, outputs, options.number_format, rng)
        what = "argmax" if outputs >= ARGMAX_FROM else "linear"
        for rows in options.rows:
            x = rng.standard_normal((rows, inputs), dtype=np.float32)
            for name in sets:
                engine().choose(name)
                time = microseconds(matrix, x, what)
                yield {
                    "inputs": inputs,
                    "outputs": outputs,
                    "rows": rows,
                    "what": what,
                    "system": f"vq-nat {name}",
                    "number_format": options.number_format,
                    "us": round(time, 2),
                    "gop_per_s": round(2e-3 * rows * inputs * outputs / time, 1),
                    "weights_gb_per_s": round(1e-3 * inputs * outputs / time, 1),
                }


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints a line each, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=engine().supported())
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--number-format", default="int8", choices=("int8", "float32"))
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=lambda text: tuple(int(part) for part in text.split("x")),
        default=SHAPES,
        help="inputs x outputs, such as 192x768",
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    found = []
    for row in rows_of(options.sets, options):
        found.append(row)
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
        options.out.write_text(json.dumps({**machine, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
