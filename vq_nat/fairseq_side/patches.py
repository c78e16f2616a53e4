"""Everything that vq-nat changes in fairseq and its libraries, in one list.

`PATCHES` says what and why. Two of them are put in place when the plug-in is imported:
they only refuse, or serve where fairseq fails. The others wait until one of our tasks
is set up, so that importing `vq_nat.translation` changes nothing in other code that
uses fairseq. The environment switches them: `VQ_NAT_PATCHES=none`, or the names of
those that are wanted, with commas between them; unset, all are. What protects from
harm cannot be switched off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from fairseq import utils
from fairseq.distributed import utils as distributed
from fairseq.models.ema.ema import EMA
from fairseq.optim import adam
from fairseq.trainer import Trainer
from omegaconf import DictConfig, ValueNode

from . import memory, optimizer, resuming, saving, trainer
from .compat import Refused
from .guard import guard_files

SWITCH = "VQ_NAT_PATCHES"


@dataclass(frozen=True)
class Patch:
    """One change of code that is not ours.

    Attributes:
        name: in `VQ_NAT_PATCHES`.
        what: is changed.
        why: it must be.
        put: puts it in place.
        at_import: whether it is there before one of our tasks is set up.
        speed_up: whether it changes nothing but time.
        protects: whether it is there whatever the environment says.
    """

    name: str
    what: str
    why: str
    put: Callable[[], None]
    at_import: bool = False
    speed_up: bool = False
    protects: bool = False


def allow_workers_without_gpus() -> None:
    """Lets `torchrun` start fairseq's workers on a machine without a GPU.

    fairseq gives each worker a GPU by its rank modulo their number, even if it is 0.
    """
    launch = distributed._infer_torch_distributed_launch_init

    def infer(cfg: Any) -> None:
        if torch.cuda.device_count() > 0:
            launch(cfg)
            return
        cfg.distributed_init_method = "env://"
        cfg.distributed_world_size = int(os.environ["WORLD_SIZE"])
        cfg.distributed_rank = int(os.environ["RANK"])
        cfg.device_id = 0
        cfg.distributed_no_spawn = True

    distributed._infer_torch_distributed_launch_init = infer


def refuse_missing_tpu() -> None:
    """Says in a sentence that fairseq takes --bf16 for a TPU, if there is none."""
    if utils.xm is not None:
        return

    def get_tpu_device() -> Any:
        raise Refused(
            "--bf16 must be off where there is no TPU, which fairseq takes it for; for "
            "products in half precision give --autocast auto or bfloat16 instead."
        )

    utils.get_tpu_device = get_tpu_device


def read_options_directly() -> None:
    """Reads plain values of omegaconf's configurations without its machinery.

    fairseq reads fifty options per update, each in 15 µs, while a GPU waits. What is
    missing, interpolated or no plain value goes omegaconf's way.
    """
    if hasattr(DictConfig.__getattr__, "__wrapped__"):
        return
    by_machinery = DictConfig.__getattr__

    @wraps(by_machinery)
    def read(self: DictConfig, key: str) -> Any:
        content = self.__dict__.get("_content")
        node = content.get(key) if type(content) is dict else None
        if type(node) is DictConfig and type(node.__dict__["_content"]) is dict:
            return node
        value = node.__dict__.get("_val") if isinstance(node, ValueNode) else None
        if type(value) in (bool, int, float):
            return value
        return by_machinery(self, key)

    DictConfig.__getattr__ = read  # type: ignore[method-assign]


def average_numbers_alone() -> None:
    """Keeps counters out of `--store-ema`, which would multiply them by its decay.

    A bottleneck counts its updates, and how long each code has been without use. Such
    buffers of whole numbers are copied, as fairseq does with what it is told to skip.
    """
    step = EMA._step_internal
    if hasattr(step, "__wrapped__"):
        return

    @wraps(step)
    def step_internal(self: EMA, new_model: Any, updates: Any = None) -> None:
        self.skip_keys |= {
            name
            for name, value in new_model.state_dict().items()
            if torch.is_tensor(value) and not value.is_floating_point()
        }
        step(self, new_model, updates)

    EMA._step_internal = step_internal


def put_adam() -> None:
    """Puts an Adam of few operations in fairseq's place, see `optimizer`."""
    adam.Adam.step = optimizer.step


def put_norm() -> None:
    """Puts a norm of all gradients in fairseq's place; apex keeps its own."""
    if not utils.multi_tensor_l2norm_available:
        utils.multi_tensor_total_norm = optimizer.total_norm
        utils.multi_tensor_l2norm_available = True


def put_seed() -> None:
    """Puts cheaper seeding in the trainer's place, see `trainer`."""
    Trainer._set_seed = trainer.set_seed


def put_log() -> None:
    """Puts cheaper logging in the trainer's place, see `trainer`."""
    Trainer._reduce_and_log_stats = trainer.log_stats


PATCHES = (
    Patch(
        "files",
        "fairseq's reader of checkpoints, and its `eval`",
        "a file must not run code: weights alone are read, options are checked",
        guard_files,
        at_import=True,
        protects=True,
    ),
    Patch(
        "workers",
        "how fairseq starts under torchrun without a GPU",
        "it divides by the number of GPUs, which is 0",
        allow_workers_without_gpus,
        at_import=True,
    ),
    Patch(
        "resuming",
        "how fairseq copies checkpoints, and loads what a training goes on from",
        "a kill leaves half a file, which blocks the training for ever",
        resuming.apply,
    ),
    Patch(
        "saving",
        "how fairseq writes a checkpoint",
        "on a full disk it tries again behind half a file, and ends in a traceback",
        saving.apply,
    ),
    Patch(
        "averages",
        "what --store-ema averages",
        "it multiplies counters, which are whole numbers, by its decay, and fails",
        average_numbers_alone,
    ),
    Patch(
        "tpu",
        "how fairseq finds a TPU",
        "--bf16 asks for one, and without it fails by a traceback",
        refuse_missing_tpu,
    ),
    Patch(
        "memory",
        "how many compiled products torch and oneDNN keep in a training",
        "batches have all shapes, and the memory of a training grew to several GB",
        memory.keep_few_products,
    ),
    Patch(
        "options",
        "attributes of omegaconf's configurations",
        "fairseq reads fifty of them in every update",
        read_options_directly,
        speed_up=True,
    ),
    Patch(
        "adam",
        "the step of fairseq's Adam, on GPUs",
        "it launches ten operations for each parameter",
        put_adam,
        speed_up=True,
    ),
    Patch(
        "norm",
        "the norm of gradients",
        "fairseq computes it for one parameter after the other",
        put_norm,
        speed_up=True,
    ),
    Patch(
        "seed",
        "how the trainer seeds an update",
        "torch looks for every kind of device, and remembers each call",
        put_seed,
        speed_up=True,
    ),
    Patch(
        "log",
        "how the trainer logs an update",
        "it asks the GPU for the norm of the gradients several times",
        put_log,
        speed_up=True,
    ),
)

_in_place: list[str] = []


def apply(at_import: bool = False) -> tuple[str, ...]:
    """Puts what is switched on in place, each patch once in a process.

    Args:
        at_import: only those that need not wait for one of our tasks.

    Returns:
        The names of all that are in place now.

    Raises:
        ValueError: if `VQ_NAT_PATCHES` names one that does not exist.
    """
    wanted = switched_on()
    for patch in PATCHES:
        due = patch.at_import or not at_import
        if due and patch.name in wanted and patch.name not in _in_place:
            patch.put()
            _in_place.append(patch.name)
    return tuple(_in_place)


def switched_on() -> tuple[str, ...]:
    """Returns the names of the patches that the environment asks for, or cannot spare.

    Raises:
        ValueError: for a name that does not exist.
    """
    every = tuple(patch.name for patch in PATCHES)
    value = os.environ.get(SWITCH)
    if value is None:
        return every
    always = tuple(patch.name for patch in PATCHES if patch.protects)
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if names == ("none",):
        return always
    for name in names:
        if name not in every:
            raise ValueError(
                f"{SWITCH} must be none or names among {', '.join(every)}, "
                f"but has {name!r} instead."
            )
    return (*always, *names)


class PatchedTask:
    """Has a fairseq task put the patches in place; stands before the task."""

    @classmethod
    def setup_task(cls, cfg: Any, **options: Any) -> Any:
        """Sets the task up, as fairseq does."""
        apply()
        return super().setup_task(cfg, **options)  # type: ignore[misc]
