"""How weights lie in the file: quantised, cut into blocks of 16 columns, in a row.

N outputs, K inputs of a linear layer. One layout serves all instruction sets: a block
of 16 outputs is one register of a vector product, and 16 groups of 4 inputs are one
tile of a matrix product.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

Array = NDArray[Any]
COLUMNS, GROUP, STEP = 16, 4, 64  # outputs of a block, inputs of a group, of a tile
ALIGNMENT = 64  # bytes
LARGEST = 127  # of an 8-bit weight; -128 would have no counterpart
DTYPES = {"float32": "F32", "int8": "I8", "int32": "I32"}


def quantise(weight: Array) -> tuple[Array, Array]:
    """Quantises each output by its largest weight, symmetrically.

    Args:
        weight: (N, K) float.

    Returns:
        (N, K) int8 and the scales (N,) float32, weight ≈ int8 · scale. An output of
        zeros has the scale 1.
    """
    largest = numpy.abs(weight).max(axis=1, initial=0.0)
    tiny = numpy.float32(numpy.finfo(numpy.float32).tiny)
    scales = numpy.maximum(largest.astype(numpy.float32) / LARGEST, tiny)
    scales[largest == 0] = 1.0
    rounded = numpy.rint(weight / scales[:, None])
    return numpy.clip(rounded, -LARGEST, LARGEST).astype(numpy.int8), scales


def pack(weight: Array) -> Array:
    """Packs 8-bit weights. Shape: (N, K) → (⌈N/16⌉, ⌈K/64⌉ · 16, 16, 4)."""
    padded = pad(weight, COLUMNS, STEP)
    blocks = padded.reshape(-1, COLUMNS, padded.shape[1] // GROUP, GROUP)
    return numpy.ascontiguousarray(blocks.transpose(0, 2, 1, 3))


def unpack(packed: Array, outputs: int, inputs: int) -> Array:
    """Returns what was packed. Shape: (⌈N/16⌉, ⌈K/64⌉ · 16, 16, 4) → (N, K)."""
    blocks, groups = packed.shape[:2]
    padded = packed.transpose(0, 2, 1, 3).reshape(blocks * COLUMNS, groups * GROUP)
    return padded[:outputs, :inputs]


def pack_dense(weight: Array) -> Array:
    """Packs float weights. Shape: (N, K) → (⌈N/16⌉, K, 16)."""
    blocks = pad(weight.astype(numpy.float32), COLUMNS, 1)
    blocks = blocks.reshape(-1, COLUMNS, weight.shape[1])
    return numpy.ascontiguousarray(blocks.transpose(0, 2, 1))


def unpack_dense(dense: Array, outputs: int) -> Array:
    """Returns what was packed. Shape: (⌈N/16⌉, K, 16) → (N, K)."""
    blocks, inputs, _ = dense.shape
    return dense.transpose(0, 2, 1).reshape(blocks * COLUMNS, inputs)[:outputs]


def pad(weight: Array, rows: int, columns: int) -> Array:
    """Adds zeros until rows and columns are multiples."""
    missing = [(0, -size % to) for size, to in zip(weight.shape, (rows, columns))]
    return numpy.pad(weight, missing)


def linear(
    name: str, weight: Array, bias: Array | None, number_format: str
) -> Iterator[tuple[str, Array]]:
    """Yields the tensors of a linear layer.

    Args:
        name: in the file.
        weight: (N, K).
        bias: (N,), None = there is none.
        number_format: "int8" or "float32".
    """
    if number_format == "int8":
        whole, scales = quantise(weight)
        yield f"{name}.packed", pack(whole)
        yield f"{name}.scales", scales
        yield f"{name}.sums", whole.sum(axis=1, dtype=numpy.int32)
    else:
        yield f"{name}.dense", pack_dense(weight)
    if bias is not None:
        yield f"{name}.bias", bias


# --------------------------------------------------------------------------- the file


def write_tensors(path: Path, tensors: Mapping[str, Array]) -> None:
    """Writes a safetensors file, the packed tensors at multiples of 64 bytes.

    Args:
        path: of the file.
        tensors: float32, int8 or int32.

    Raises:
        ValueError: for tensors of another type.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.name not in DTYPES:
            raise ValueError(
                f"`{name}` must be of {', '.join(DTYPES)}, but is of {tensor.dtype} "
                "instead."
            )
    # Those whose sizes are multiples of 64 bytes first, those of 8 bits last.
    order = sorted(tensors, key=lambda name: (place_of(tensors[name]), name))
    header, place = {}, 0
    for name in order:
        tensor = tensors[name]
        header[name] = {
            "dtype": DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.nbytes],
        }
        place += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(numpy.ascontiguousarray(tensors[name]).tobytes())


def place_of(tensor: Array) -> int:
    """Says which tensors stand before which."""
    if tensor.nbytes % ALIGNMENT == 0:
        return 0
    return 1 if tensor.itemsize > 1 else 2


def read_tensors(path: Path) -> dict[str, Array]:
    """Reads a file that `write_tensors` wrote; the engine has a reader of its own."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    types = {short: name for name, short in DTYPES.items()}
    tensors = {}
    for name, entry in json.loads(data[8:end]).items():
        begin, stop = (end + offset for offset in entry["data_offsets"])
        tensor = numpy.frombuffer(data[begin:stop], dtype=types[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors
