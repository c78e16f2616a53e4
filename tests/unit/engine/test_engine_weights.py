"""Weights as the engine reads them: quantised, packed, written, and refused."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from fairseq.data import Dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from vq_nat import engine
from vq_nat.engine.packing import (
    linear,
    pack,
    pack_dense,
    quantise,
    read_tensors,
    unpack,
    unpack_dense,
    write_tensors,
)
from vq_nat.engine.weights import describe, tensors_of

Size = st.integers(1, 70)


def random(*shape: int) -> Any:
    return numpy.random.default_rng(0).normal(size=shape).astype(numpy.float32)


@settings(max_examples=30, deadline=None)
@given(outputs=Size, inputs=Size)
def test_packing_is_undone_by_unpacking(outputs: int, inputs: int) -> None:
    weight = random(outputs, inputs)
    whole, _ = quantise(weight)
    packed = pack(whole)
    assert packed.shape == (-(-outputs // 16), -(-inputs // 64) * 16, 16, 4)
    assert (unpack(packed, outputs, inputs) == whole).all()
    assert packed.sum(dtype=int) == whole.sum(dtype=int)  # the rest is zero
    assert (unpack_dense(pack_dense(weight), outputs) == weight).all()


def test_a_block_holds_four_inputs_of_sixteen_outputs() -> None:
    whole = numpy.arange(-64, 64, dtype=numpy.int8).reshape(16, 8)
    assert pack(whole)[0, 1, 5].tolist() == whole[5, 4:8].tolist()


def test_quantisation_errs_by_half_a_step_at_most() -> None:
    weight = random(9, 50)
    weight[3], weight[4] = 0, 1e-42
    whole, scales = quantise(weight)
    assert (scales > 0).all() and scales.dtype == numpy.float32
    assert numpy.abs(whole[[0, 1, 2, 5]]).max(axis=1).tolist() == [127] * 4
    assert (numpy.abs(weight - whole * scales[:, None]) <= scales[:, None] / 2).all()
    assert not whole[3].any() and scales[3] == 1


def test_a_scaled_output_has_the_same_integers() -> None:
    weight = random(4, 20)
    assert (quantise(weight)[0] == quantise(weight * 8)[0]).all()


def test_sums_are_those_of_the_integers() -> None:
    tensors = dict(linear("x", random(5, 300), None, "int8"))
    whole = unpack(tensors["x.packed"], 5, 300)
    assert tensors["x.sums"].tolist() == whole.sum(axis=1, dtype=int).tolist()
    assert tensors.keys() == {"x.packed", "x.scales", "x.sums"}


# ------------------------------------------------------------------ the file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    tensors = {
        "b": random(3, 5),
        "a.packed": pack(quantise(random(17, 65))[0]),
        "odd": numpy.ones(3, numpy.int8),
        "sums": numpy.arange(4, dtype=numpy.int32),
        "none": numpy.zeros((0, 4), numpy.float32),
    }
    path = tmp_path / "x.safetensors"
    write_tensors(path, tensors)
    read = read_tensors(path)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert (read[name] == tensor).all() and read[name].shape == tensor.shape
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert (8 + length + header["a.packed"]["data_offsets"][0]) % 64 == 0


def test_the_format_is_that_of_the_package(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    tensors = {"b": random(3, 5), "a": numpy.ones((2, 7), numpy.int8)}
    write_tensors(tmp_path / "x", tensors)
    read = package.load_file(tmp_path / "x")
    assert all((read[name] == tensors[name]).all() for name in tensors)


def test_other_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`x` must be of float32, int8, int32, but is"):
        write_tensors(tmp_path / "x", {"x": numpy.zeros(2)})


# ------------------------------------------------------------------ the C++ reader

compiled = pytest.mark.skipif(not engine.available(), reason="the engine is missing")
GOOD = {"x.scales": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
ONES = numpy.ones(2, numpy.float32).tobytes()


def header(**changes: Any) -> str:
    return json.dumps({"x.scales": {**GOOD["x.scales"], **changes}})


def two(begin: int, end: int) -> str:
    other = {"dtype": "F32", "shape": [2], "data_offsets": [begin, end]}
    return json.dumps({**GOOD, "y": other})


def write(path: Path, text: str, data: bytes = ONES, length: int | None = None) -> None:
    encoded = text.encode(errors="surrogateescape")
    encoded += b" " * (-len(encoded) % 4)
    size = len(encoded) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + encoded + data)


@compiled
def test_the_engine_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_tensors(path, {"b": random(3, 5), "a": numpy.ones((2, 7), numpy.int8)})
    assert engine.engine().tensors(str(path)) == {
        "a": ("I8", [2, 7]),
        "b": ("F32", [3, 5]),
    }


NAN = numpy.array([1, numpy.nan], numpy.float32).tobytes()
HOSTILE = [
    (header(data_offsets=[0, 4]), ONES, "must hold as many bytes of x.scales as its"),
    (header(data_offsets=[0, 2**40], shape=[2**38]), ONES, "one after the other"),
    (header(data_offsets=[8, 0]), ONES, "must hold its tensors one after the other"),
    (header(data_offsets=[0]), ONES, "must give two offsets for x.scales"),
    (header(shape=[2**62, 2]), ONES, "tensors that fit into memory"),
    (header(shape=[-2]), ONES, "must have whole numbers for sizes"),
    (header(shape=[2.0]), ONES, "must have"),
    (header(shape=[1] * 9), ONES, "short lists of sizes"),
    (header(dtype="F64"), ONES, "tensors of F32, I8 or I32, but one is F64 instead"),
    (header(more=1), ONES, "alone, but has more as well"),
    ('{"x":{"dtype":"F32"}}', b"", "dtype, shape and data_offsets of x, but lacks"),
    (two(4, 12), ONES + ONES, "one after the other, but y lies elsewhere"),
    (two(0, 8), ONES, "must hold its tensors one after the other"),
    (two(12, 20), ONES + ONES + ONES, "one after the other, but y lies elsewhere"),
    (header(), ONES + b"more", "must end with its last tensor, but is longer"),
    (header(), ONES[:4], "must hold its tensors one after the other"),
    (header(), NAN, "must hold finite numbers above 0 as x.scales, but does not"),
    (header(), bytes(8), "must hold finite numbers above 0 as x.scales"),
    ("{", b"", "in its header, but has not"),
    ('{"\udcff":{}}', b"", "must have names of ASCII characters, but has not"),
    (header().replace("F32", "\udcff"), ONES, "must have names of ASCII characters"),
    (header().replace("shape", "\udcff"), ONES, "must have names of ASCII characters"),
    ("{} {}", b"", "one object for a header, but has more"),
    ("[" * 5000, b"", "must have '{' in its header"),
    (f"{header()[:-1]}, {header()[1:]}", ONES, "one tensor of a name, but has two"),
]


@compiled
@pytest.mark.parametrize(("text", "data", "message"), HOSTILE)
def test_hostile_files_are_refused(
    tmp_path: Path, text: str, data: bytes, message: str
) -> None:
    path = tmp_path / "x"
    write(path, text, data)
    with pytest.raises(ValueError, match=message) as error:
        engine.engine().tensors(str(path))
    assert str(error.value).startswith(str(path)) and str(error.value).endswith(".")
    write(path, header())
    assert engine.engine().tensors(str(path)) == {"x.scales": ("F32", [2])}


@compiled
@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63])
def test_a_header_that_lies_about_its_length_is_refused(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "x"
    write(path, header(), length=length)
    with pytest.raises(ValueError, match="must"):
        engine.engine().tensors(str(path))


@compiled
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, message in (
        ("nowhere", "must be readable, but is not"),
        ("empty", "must be a file with weights, but cannot be mapped"),
        (".", "must be a file with weights, but cannot be mapped"),
    ):
        with pytest.raises(ValueError, match=message):
            engine.engine().tensors(str(tmp_path / name))


# ------------------------------------------------------------------ the models


@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_model_becomes_tensors(
    build_latent: Any, teacher_of: Any, number_format: str
) -> None:
    model = build_latent(vq_slices=2)
    tensors = tensors_of(model, number_format)
    kind = "packed" if number_format == "int8" else "dense"
    width = model.cfg.encoder_embed_dim
    assert f"encoder.layers.1.self_attn.qkv.{kind}" in tensors
    assert tensors["predictor.memory.bias"].shape == (2 * 2 * width,)
    assert ("predictor.output.rows" in tensors) == (number_format == "int8")
    assert ("output.of_embedding" in tensors) == (number_format == "int8")
    assert tensors["embed.table"] == pytest.approx(
        model.embed_tokens.weight.detach().numpy() * width**0.5
    )
    assert "compressor" not in " ".join(tensors)
    assert all(numpy.isfinite(tensor).all() for tensor in tensors.values())
    apart = teacher_of(pre_norm=True)
    projection = apart.decoder.output_projection
    projection.weight = torch.nn.Parameter(projection.weight + 0.1)
    assert ("output.rows" in tensors_of(apart, number_format)) == (kind == "packed")
    post = tensors_of(teacher_of(pre_norm=False), number_format)
    assert "encoder.norm.weight" not in post and "decoder.norm.weight" not in post
    pre = tensors_of(teacher_of(pre_norm=True), number_format)
    assert pre.keys() - post.keys() == {
        f"{side}.norm.{part}"
        for side in ("encoder", "decoder")
        for part in ("weight", "bias")
    }


def test_codes_are_looked_up_by_slice(build_latent: Any) -> None:
    model = build_latent(vq_slices=2)
    table = tensors_of(model, "float32")["codes.table"]
    codes = torch.tensor([[[3, 11]]])
    vector = model.bottleneck.lookup(codes)[0, 0].detach().numpy()
    count = model.predictor.codes
    assert vector == pytest.approx(numpy.concatenate([table[3], table[count + 11]]))


def test_keys_and_values_of_the_source_are_in_order(build_latent: Any) -> None:
    model = build_latent()
    dense = tensors_of(model, "float32")["decoder.memory.dense"]
    width = model.cfg.encoder_embed_dim
    weight = unpack_dense(dense, 4 * width)
    second = model.decoder.layers[1].encoder_attn
    assert (
        weight[2 * width : 3 * width] == second.k_proj.weight.detach().numpy()
    ).all()
    assert (weight[3 * width :] == second.v_proj.weight.detach().numpy()).all()


def test_a_convolution_is_a_product_of_three_neighbours(build_latent: Any) -> None:
    model = build_latent()
    conv = model.decoder.refinements[0].conv.conv
    dense = tensors_of(model, "float32")["decoder.refinements.0.conv.dense"]
    weight = torch.tensor(unpack_dense(dense, conv.out_channels))
    x = torch.randn(3, conv.in_channels)
    expected = conv(x.T.unsqueeze(0))[0, :, 1]
    products = weight @ x.flatten() + conv.bias
    assert products.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_positions_are_those_of_the_model(build_latent: Any, teacher_of: Any) -> None:
    model, teacher = build_latent(), teacher_of(pre_norm=True)
    table = tensors_of(model, "int8")["positions.table"]
    assert (table == model.decoder.positions.table.numpy()).all()
    words = torch.tensor([[5, 6, 7]])
    expected = teacher.encoder.embed_positions(words)[0].numpy()
    assert (tensors_of(teacher, "int8")["positions.table"][:3] == expected).all()


def test_a_model_is_described(build_latent: Any, words: Dictionary) -> None:
    model = build_latent(compression_steps=2)
    description = describe(model, {"en": words, "de": words})
    assert description["kind"] == "latent" and description["chunk"] == 4
    assert description["vocabulary"] == {"source": 40, "target": 40}
    assert description["special"] == {"bos": 0, "pad": 1, "eos": 2, "unk": 3}
    assert description["languages"] == ["en", "de"]
    assert json.loads(json.dumps(description)) == description


def test_what_the_engine_does_not_compute_is_refused(
    build_latent: Any, teacher_of: Any
) -> None:
    with pytest.raises(ValueError, match="one of int8, float32, but is 'int4' instead"):
        tensors_of(build_latent(), "int4")
    with pytest.raises(ValueError, match="must have latent codes, but this one has no"):
        tensors_of(build_latent(vq_kind="identity"), "int8")
    teacher = teacher_of(pre_norm=True)
    teacher.decoder.layers[0].activation_fn = torch.nn.functional.gelu
    with pytest.raises(ValueError, match="ReLU in its layers, but has gelu, relu"):
        tensors_of(teacher, "int8")
    with pytest.raises(ValueError, match="encoder and a decoder of fairseq's"):
        tensors_of(torch.nn.Linear(2, 2), "int8")


@pytest.mark.parametrize("name", ["attn_ln", "c_attn", "cross_self_attention"])
def test_layers_with_more_in_them_are_refused(teacher_of: Any, name: str) -> None:
    teacher = teacher_of(pre_norm=True)
    setattr(teacher.decoder.layers[0], name, torch.nn.Identity())
    with pytest.raises(ValueError, match="plain layers, but has scaled ones"):
        tensors_of(teacher, "int8")
