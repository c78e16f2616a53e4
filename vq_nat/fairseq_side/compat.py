"""Every quirk of fairseq, omegaconf, Python and torch versions, and nothing else."""

from __future__ import annotations

import argparse
import collections
import errno
import logging
import os
import pickle
import re
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import torch
from fairseq.optim import (
    AMPOptimizer,
    FP16Optimizer,
    MemoryEfficientFP16Optimizer,
)
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..autocasts import AUTOCASTS
from ..files import BadFile
from ..processes import end_with_parent
from .checkpoint_options import check_options
from .guard import check_archive
from .packed import is_packed, read_packed
from .refused import Refused as Refused
from .refused import in_a_sentence as in_a_sentence

logger = logging.getLogger(__name__)

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}  # of `AUTOCASTS`


def checkpoint_globals() -> list[Any]:
    """Returns the plain data types that a fairseq checkpoint holds beside tensors."""
    # numpy's constructors, whose module name depends on its version.
    scalar = numpy.float64(0.0).__reduce__()[0]
    array = numpy.zeros(1).__reduce__()[0]
    return [
        argparse.Namespace,
        collections.defaultdict,
        collections.OrderedDict,
        scalar,
        array,
        numpy.ndarray,
        numpy.dtype,
        *(type(numpy.dtype(name)) for name in ("float64", "float32", "int64", "int32")),
    ]


def allow_fairseq_checkpoints() -> None:
    """Lets `torch.load(weights_only=True)` read the data types of a fairseq checkpoint.

    torch >= 2.6 refuses every global it does not know. Adding fairseq's few data types
    keeps the protection: a pickle that calls anything else is still refused.
    """
    add_safe_globals = getattr(torch.serialization, "add_safe_globals", None)
    if add_safe_globals is not None:  # torch >= 2.4
        add_safe_globals(checkpoint_globals())


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the model's tensors out of a fairseq checkpoint, onto the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a fairseq checkpoint, or its options are refused.
        RefusedPickle: if it calls functions.
    """
    return load_state(path)["model"]


def load_config(path: str | Path) -> dict[str, Any]:
    """Reads the options a fairseq checkpoint was trained with.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a fairseq checkpoint, or its options are refused.
        RefusedPickle: if it calls functions.
    """
    return load_state(path)["cfg"]


def load_task_state(path: str | Path) -> dict[str, Any]:
    """Reads what a fairseq checkpoint keeps of its task; fairseq's own keep nothing.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a fairseq checkpoint.
        RefusedPickle: if it calls functions.
    """
    return load_state(path).get("task_state") or {}


class OneArchitecture:
    """Refuses the weights of another architecture; stands before a fairseq model."""

    def load_state_dict(
        self, state_dict: dict[str, Any], strict: bool = True, **rest: Any
    ) -> Any:
        """Loads a checkpoint's weights.

        Raises:
            RuntimeError: if they are those of another architecture.
        """
        try:
            return super().load_state_dict(state_dict, strict, **rest)  # type: ignore[misc]
        except RuntimeError as error:
            raise RuntimeError(
                "the checkpoint was trained with another architecture: check "
                f"`--arch` and the model's flags. {error}"
            ) from error


class RefusedPickle(pickle.UnpicklingError, ValueError):
    """A checkpoint that would call functions; for who knows of torch or of files."""


def load_state(path: str | Path) -> dict[str, Any]:
    """Reads all that a fairseq checkpoint holds, onto the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a fairseq checkpoint, or its options are refused.
        RefusedPickle: if it calls functions.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"the checkpoint {path} does not exist.")
    try:
        state = _load(path)
    except RefusedPickle:
        raise
    except Exception as error:  # of damaged pickles torch says whatever befalls it
        if isinstance(error, BadFile):
            raise
        # Of a file cut off to 4 to 69 kB torch looks for the end before its beginning.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ValueError(
            f"{path} must be a fairseq checkpoint, but cannot be read as one: it is "
            "cut off, or another file."
        ) from error
    if not isinstance(state, dict) or not {"model", "cfg"} <= state.keys():
        raise ValueError(
            f"{path} must be a fairseq checkpoint, but holds no `model` and `cfg` "
            "instead."
        )
    if state["cfg"] is None:
        raise ValueError(
            f"{path} must hold its options as `cfg`, but has those of a fairseq "
            "before 0.10 instead: load it with fairseq 0.10 to 0.12 and save it again."
        )
    check_options(state, path)
    return state


def _load(path: str | Path) -> Any:
    """Reads a file of torch's formats, now and before 1.6, or a packed one."""
    if is_packed(path):
        return read_packed(path)
    check_archive(path)
    with open(path, "rb") as file:
        mmap = file.read(2) == b"PK"  # of the older one there is no mapping
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)|function (\S+)", str(error))
        if asked is None:  # no pickle at all
            raise
        raise RefusedPickle(
            f"{path} must hold weights and options alone, but asks for "
            f"{asked[1] or asked[2]} to be called: it is refused."
        ) from error


def has_fast_bfloat16(device: torch.device) -> bool:
    """Tells whether matrix products in bfloat16 run in hardware.

    Without AVX-512 a CPU emulates them, a hundred times slower than float32. With
    AVX-512 but without its bfloat16 instructions oneDNN emulates them as well, three
    times slower, and says that it supports them all the same.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported()) and not _lacks_bfloat16_instructions()


def _lacks_bfloat16_instructions() -> bool:
    """Tells whether a CPU has AVX-512 without bfloat16; older torches cannot tell."""
    avx512 = getattr(torch.cpu, "_is_avx512_supported", None)
    bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(avx512 and bfloat16 and avx512() and not bfloat16())


def autocast(name: str, device: torch.device) -> AbstractContextManager[Any]:
    """Returns the autocast context of an option value.

    Args:
        name: "none", "auto" (bfloat16 where the hardware multiplies it, otherwise
            none), "bfloat16" or "float16".
        device: where the products run.

    Raises:
        ValueError: if `name` is none of these.
    """
    if name not in AUTOCASTS:
        raise ValueError(
            f"`autocast` must be one of {', '.join(AUTOCASTS)}, "
            f"but is {name!r} instead."
        )
    dtype = DTYPES.get(name)
    if name == "auto" and has_fast_bfloat16(device):
        dtype = torch.bfloat16
    if dtype is None:
        return nullcontext()
    if dtype == torch.bfloat16 and not has_fast_bfloat16(device):
        _warn_slow_bfloat16(device.type)
    return torch.autocast(device.type, dtype=dtype)


@lru_cache(maxsize=1)
def _warn_slow_bfloat16(device: str) -> None:
    logger.warning(
        "bfloat16 products are emulated on this %s and may be 3 to 100 times slower "
        "than float32: use --autocast auto or none.",
        device,
    )


def fairseq_autocast(optimizer: Any) -> AbstractContextManager[Any]:
    """Returns the context that fairseq's --amp runs a criterion in, see its tasks."""
    if isinstance(optimizer, AMPOptimizer):
        return torch.autocast("cuda")
    return nullcontext()


def refuse_reduced_precision(optimizer: Any) -> None:
    """Refuses what fairseq makes of --fp16, --bf16 and --amp, for latent models.

    When gradients overflow, fairseq drops or repeats an update without a word to the
    task, while the M-step needs the statistics of exactly what the optimizer applied.
    And with --fp16 or --bf16 the optimizer has a flat copy of the parameters, which
    overwrites codes that are initialized from data or restarted.

    Raises:
        ValueError: if one of them is on.
    """
    kinds = (AMPOptimizer, FP16Optimizer, MemoryEfficientFP16Optimizer)
    if isinstance(optimizer, kinds):
        raise ValueError(
            "--fp16, --bf16 and --amp must be off for a model with latents, but the "
            f"optimizer is fairseq's {type(optimizer).__name__}; for products in half "
            "precision give --autocast auto, bfloat16 or float16 instead."
        )


class EverySentence:
    """Makes a fairseq task batch every sentence there is; stands before the task.

    With `required_batch_size_multiple` above 1 (its default is 8) fairseq can leave out
    the sentences that remain, and translate 39 of 40.
    """

    def get_batch_iterator(self, dataset: Any, **options: Any) -> Any:
        """Makes batches of any size."""
        options["required_batch_size_multiple"] = 1
        return super().get_batch_iterator(dataset, **options)  # type: ignore[misc]

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """Tells whether an epoch may have the batches of the one before.

        Not in training. fairseq draws which sentences share a batch under the seed and
        the epoch that a run begins with, and keeps them to its end: so a run that was
        broken off went on with others than the unbroken one. Here every epoch draws.
        """
        trained_on = self.datasets.get(self.cfg.train_subset)  # type: ignore[attr-defined]
        return dataset is not trained_on and super().can_reuse_epoch_itr(dataset)  # type: ignore[misc]


def training_attention(device: torch.device) -> AbstractContextManager[Any]:
    """Returns the context in which fairseq's own attention trains fastest.

    A teacher's, for instance; ours takes a way of its own. On a CPU torch's fused
    kernel has a backward pass that took ten times as long as products and a softmax one
    by one (torch 2.13, bfloat16, sentences of 16 words).
    """
    if device.type == "cpu":
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


@lru_cache(maxsize=1)
def tensorboard_writer(folder: str, name: str) -> Any:
    """Returns a writer for pictures beside fairseq's curves.

    Returns:
        None without the package tensorboard, of which fairseq itself says so.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(os.path.join(folder, name))


allow_fairseq_checkpoints()
if "TORCHELASTIC_RUN_ID" in os.environ:  # a worker of torchrun
    end_with_parent()
