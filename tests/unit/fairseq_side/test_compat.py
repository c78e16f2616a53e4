"""compat: fairseq's checkpoints load, but a pickle that calls anything is refused."""

import argparse
import builtins
import collections
import errno
import os
import pickle
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from fairseq import options, tasks
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    InterpolationKeyError,
    MissingMandatoryValue,
)

from vq_nat.fairseq_side import compat, patches

CPU = torch.device("cpu")
patches.read_options_directly()


class Call:
    """Pickles as a call, which plain `pickle.load` would carry out."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("call", [os.system, builtins.eval, subprocess.Popen])
@pytest.mark.parametrize("read", [compat.load_weights, compat.load_config, torch.load])
def test_a_pickle_that_calls_is_refused(
    call: Callable[..., Any], read: Callable[..., Any], tmp_path: Path
) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pt"
    command = f"touch {marker}"
    if call is builtins.eval:
        command = f"open({str(marker)!r}, 'w')"
    state = {"cfg": Call(call, command), "model": {}}
    torch.save(state, path)
    options = {"weights_only": True} if read is torch.load else {}
    with pytest.raises(pickle.UnpicklingError, match=call.__name__) as caught:
        read(path, **options)
    if read is not torch.load:  # a sentence for who reads a file
        assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    "value",
    [
        argparse.Namespace(arch="transformer", data=["bin"]),
        collections.OrderedDict(a=1),
        numpy.float64(1.5),
        numpy.float32(1.5),
        numpy.int64(3),
        numpy.dtype("int32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_fairseq_saves_is_loaded(value: object, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"args": value}, path)
    loaded = torch.load(path, weights_only=True)["args"]
    assert loaded == value and type(loaded) is type(value)


def test_the_weights_and_options_of_a_checkpoint_are_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    weight = torch.arange(3.0)
    cfg = {"task": {"_name": "translation", "data": "bin"}}
    torch.save({"cfg": cfg, "model": {"weight": weight}}, path)
    assert torch.equal(compat.load_weights(path)["weight"], weight)
    assert compat.load_config(str(path)) == cfg


def test_torchs_older_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    state = {"cfg": {"task": None}, "model": {"weight": torch.arange(3.0)}}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert torch.equal(compat.load_weights(path)["weight"], torch.arange(3.0))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="it is cut off, or another file"):
        compat.load_config(path)


def test_options_of_an_older_fairseq_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    args = argparse.Namespace(arch="transformer")
    torch.save({"cfg": None, "args": args, "model": {}}, path)
    with pytest.raises(ValueError, match="of a fairseq before 0.10 instead"):
        compat.load_config(path)


@pytest.mark.parametrize("read", [compat.load_weights, compat.load_config])
def test_a_missing_checkpoint_is_named(
    read: Callable[[Path], Any], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.pt does not exist\."):
        read(tmp_path / "none.pt")


@pytest.mark.parametrize("read", [compat.load_weights, compat.load_config])
def test_a_damaged_checkpoint_is_refused(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "cut.pt"
    torch.save({"model": {"w": torch.ones(20_000)}, "cfg": {}}, path)
    whole = path.read_bytes()
    cut = [whole[:size] for size in (1500, 5000, 68_000, len(whole) - 1)]
    for content in (*cut, b"", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.pt must be a fairseq") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_a_disk_that_fails_is_no_damaged_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "checkpoint.pt"
    path.touch()
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        compat.load_config(path)


@pytest.mark.parametrize("read", [compat.load_weights, compat.load_config])
@pytest.mark.parametrize("state", [{}, {"weight": torch.zeros(1)}, [1]])
def test_what_is_no_fairseq_checkpoint_is_refused(
    read: Callable[[Path], Any], state: object, tmp_path: Path
) -> None:
    path = tmp_path / "other.pt"
    torch.save(state, path)
    with pytest.raises(
        ValueError, match=r"other\.pt must be a fairseq checkpoint, but"
    ):
        read(path)


@pytest.mark.parametrize("name", ["fp16", "", "None", "BFLOAT16"])
def test_unknown_autocast_names_are_refused(name: str) -> None:
    sentence = "`autocast` must be one of none, auto, bfloat16, float16, but is "
    with pytest.raises(ValueError, match=f"{sentence}{name!r} instead."):
        compat.autocast(name, CPU)


@pytest.mark.parametrize(
    ("name", "fast", "expected"),
    [
        ("none", True, torch.float32),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("bfloat16", True, torch.bfloat16),
        ("bfloat16", False, torch.bfloat16),
    ],
)
def test_autocast_decides_the_type_of_products(
    name: str, fast: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "has_fast_bfloat16", lambda device: fast)
    with compat.autocast(name, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == expected


@pytest.mark.parametrize(
    ("claimed", "avx512", "instructions", "fast"),
    [
        (True, True, True, True),
        (True, True, False, False),  # oneDNN emulates them, and claims them
        (True, False, False, True),  # not an x86 processor
        (False, False, False, False),
    ],
)
def test_bfloat16_is_fast_where_there_are_instructions_for_it(
    claimed: bool,
    avx512: bool,
    instructions: bool,
    fast: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {
        "_is_avx512_supported": avx512,
        "_is_avx512_bf16_supported": instructions,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cpu, name, lambda a=answer: a, raising=False)
    monkeypatch.setattr(
        torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: claimed, raising=False
    )
    assert compat.has_fast_bfloat16(CPU) == fast


def test_attention_trains_to_the_same_gradients_in_its_context() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(2, 3, 5, 4, generator=generator) for _ in range(3)]
    mask = torch.tensor([[True, True, True, False, False]]).expand(5, 5)
    gradients = []
    for context in (nullcontext(), compat.training_attention(CPU)):
        leaves = [x.clone().requires_grad_() for x in inputs]
        with context:
            out = torch.nn.functional.scaled_dot_product_attention(
                *leaves, attn_mask=mask
            )
            kernel = out.grad_fn.name()
        out.square().sum().backward()
        gradients.append((kernel, [leaf.grad for leaf in leaves]))
    (fused, expected), (plain, own) = gradients
    assert fused != plain
    torch.testing.assert_close(own, expected)


@pytest.mark.parametrize(
    "name", ["discrete_latent_translation", "translation_lev_mended"]
)
def test_tasks_of_translation_leave_out_no_sentence(
    name: str, tmp_corpus: Path
) -> None:
    """Sizes in multiples of 8, fairseq's own, can cost sentences: ours are any."""
    words = [str(tmp_corpus), "--task", name, "-s", "en", "-t", "de"]
    args = options.parse_args_and_arch(options.get_generation_parser(), words)
    task = tasks.setup_task(args)
    task.load_dataset("test")
    batches = task.get_batch_iterator(
        dataset=task.dataset("test"), max_sentences=12, required_batch_size_multiple=8
    ).next_epoch_itr(shuffle=False)
    sizes = [batch["nsentences"] for batch in batches]
    assert sum(sizes) == 40 and max(sizes) == 12


@pytest.mark.parametrize(
    "path",
    ["number", "flag", "share", "nothing", "word", "inner.number", "reference", "list"],
)
def test_options_are_read_as_omegaconf_reads_them(path: str) -> None:
    config = OmegaConf.create(
        {
            "number": 3,
            "flag": True,
            "share": 0.5,
            "nothing": None,
            "word": "adam",
            "inner": {"number": 4},
            "reference": "${inner.number}",
            "list": [1, 2],
        }
    )
    value = config
    for name in path.split("."):
        value = getattr(value, name)
    assert value == OmegaConf.select(config, path)
    assert type(value) is type(OmegaConf.select(config, path))


def test_options_that_are_missing_or_unknown_are_refused() -> None:
    config = OmegaConf.create({"missing": "???", "inner": {"reference": "${number}"}})
    OmegaConf.set_struct(config, True)
    with pytest.raises(MissingMandatoryValue):
        _ = config.missing
    with pytest.raises(ConfigAttributeError):
        _ = config.unknown
    with pytest.raises(InterpolationKeyError):
        _ = config.inner.reference


def test_an_option_that_was_changed_is_read_anew() -> None:
    config = OmegaConf.create({"lr": 0.1, "inner": {"lr": 1}})
    config.lr, config.inner = 0.2, {"lr": 2}
    assert (config.lr, config.inner.lr) == (0.2, 2)
