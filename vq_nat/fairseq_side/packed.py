"""Owns a packed checkpoint: weights as safetensors, options as JSON, in one folder.

`read_packed` returns of it what torch reads of a checkpoint, and stands behind the same
doors: its options are checked as those of any file are. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from ..files import BadFile, PathLike, check_hashes, hashes, read_json, reading
from .checkpoint_options import SERVED, known_options
from .checkpoints import CONFIG, WEIGHTS
from .literals import short

FORMAT = 1  # raised when a reader of the old one would read something wrong
WHAT = "the configuration of a packed model"
PLACES = ("data",)  # options that say where something lay when the model was trained
MOST = 2**40  # updates, or words of a sentence

Weights = dict[str, torch.Tensor]


def is_packed(path: PathLike) -> bool:
    """Tells whether a path is the weights of a packed model, or should be."""
    return Path(path).suffix == Path(WEIGHTS).suffix


# ----------------------------------------------------------------------------- to write


def write_packed(
    state: Mapping[str, Any], folder: Path, text: dict[str, Any], said: dict[str, Any]
) -> None:
    """Writes weights and configuration beside what already lies in the folder.

    The same state gives the same bytes.

    Args:
        state: of a checkpoint, as `compat.load_state` returns it.
        folder: where to; the configuration lists the hash of each file in it.
        text: languages and dictionaries, as our tasks keep them; fairseq's do not.
        said: what else the configuration says.

    Raises:
        ValueError: for options that JSON cannot hold.
    """
    weights, tied = parted(state["model"])
    (folder / WEIGHTS).write_bytes(save(weights, metadata={"format": "pt"}))
    config = {
        "format": FORMAT,
        **said,
        "updates": updates_of(state),
        "task_state": {**(state.get("task_state") or {}), "text": text},
        **options_of(state["cfg"]),
        "tied": tied,
        "files": hashes(folder),
    }
    try:
        written = json.dumps(config, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"all options of the model must be numbers, words or lists, but: {error}."
        ) from error
    (folder / CONFIG).write_text(f"{written}\n", encoding="utf-8")


def parted(weights: Mapping[str, Any]) -> tuple[Weights, dict[str, str]]:
    """Returns each tensor once, and which names stand for the tensor of another name.

    Shared embeddings are one tensor under several names, in a checkpoint as well.
    """
    kept: Weights = {}
    names: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    for name in sorted(weights):
        tensor = weights[name]
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and place in names:
            tied[name] = names[place]
        else:
            names[place] = name
            kept[name] = tensor.clone().contiguous()  # of nobody else's storage
    return kept, tied


def options_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that a model is built from, and which groups are flat.

    What concerns the machine and the training is left out: it is in `said`, as far as
    it is worth telling.

    Args:
        cfg: a checkpoint's, checked.
    """
    groups, flat = {}, []
    for part in SERVED:
        group = cfg.get(part)
        if group is None:
            continue
        if isinstance(group, Namespace):  # all of fairseq's options, side by side
            flat.append(part)
            known = known_options(part, vars(group))
            group = {k: v for k, v in vars(group).items() if k in known}
        groups[part] = {k: group[k] for k in sorted(group) if k not in PLACES}
    return {"options": groups, "flat": flat}


def updates_of(state: Mapping[str, Any]) -> int:
    """Returns after how many updates a checkpoint was written, 0 if it does not say."""
    history = state.get("optimizer_history") or [{}]
    return int(history[-1].get("num_updates", 0))


# ------------------------------------------------------------------------------ to read


def read_packed(path: PathLike) -> dict[str, Any]:
    """Reads a packed model as what torch reads of a checkpoint.

    Args:
        path: of its weights; the rest lies beside them.

    Raises:
        FileNotFoundError: if a file is missing.
        BadFile: if a file is another one, or not what it must be.
    """
    path = Path(path)
    config = read_config(path.parent)
    with reading(path, "weights in the format of safetensors"):
        weights = load_file(path)
    for name, other in config["tied"].items():
        if other not in weights or name in weights:
            raise BadFile(
                f"`tied` in {path.parent / CONFIG} must name tensors of {path}, but "
                f"names {short(other)} as {short(name)}."
            )
    weights |= {name: weights[other] for name, other in config["tied"].items()}
    options = config["options"]
    options.setdefault("task", {})["data"] = str(path.parent)
    for part in config["flat"]:
        options[part] = Namespace(**options[part])
    updates = {"num_updates": config["updates"], "lr_scheduler_state": {"best": None}}
    names = {"criterion_name": "", "optimizer_name": ""}
    return {
        "args": None,
        "cfg": options,
        "model": weights,
        "task_state": config["task_state"],
        "optimizer_history": [{**names, **updates}],
        "last_optimizer_state": None,
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
    }


def read_config(folder: Path) -> dict[str, Any]:
    """Reads a packed model's configuration, and checks that its files are its own.

    Raises:
        FileNotFoundError: if it is missing.
        BadFile: if it is of another format, or a file has changed.
    """
    path = folder / CONFIG
    config: dict[str, Any] = read_json(path, WHAT)
    if config.get("format") != FORMAT:
        raise BadFile(
            f"{path} must have the format {FORMAT}, but has "
            f"{short(config.get('format'))} instead: pack the checkpoint again."
        )
    for fault in faults(config):
        raise BadFile(f"{path} must be {WHAT}, but {fault}.")
    stamp = tuple(map(stamp_of, sorted(folder / str(n) for n in config["files"])))
    _check_files(folder, path, tuple(sorted(config["files"].items())), stamp)
    return config


def faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yields what a configuration lacks; options are checked elsewhere."""
    kinds: dict[str, type] = {"flat": list}
    kinds |= dict.fromkeys(("options", "task_state", "tied", "files"), dict)
    for name, kind in kinds.items():
        if not isinstance(config.get(name), kind):
            yield f"its `{name}` is {short(config.get(name))}"
            return
    groups, text = config["options"], config["task_state"].get("text")
    if not all(part in SERVED and isinstance(g, dict) for part, g in groups.items()):
        yield "its `options` are no groups of options"
    if not all(isinstance(part, str) and part in groups for part in config["flat"]):
        yield "its `flat` names no groups of options"
    for name in ("languages", "dictionaries"):
        pair = text.get(name) if isinstance(text, dict) else None
        if not isinstance(pair, list) or list(map(type, pair)) != [str, str]:
            yield f"its `text` has no two {name}"
    counts = {"updates": config.get("updates")}
    counts |= {k: v for k, v in config["task_state"].items() if k != "text"}
    for name, count in counts.items():
        if type(count) is not int or not 0 <= count <= MOST:
            yield f"its `{name}` is {short(count)}"
    if WEIGHTS not in config["files"]:
        yield f"its `files` have no {WEIGHTS}"


def stamp_of(path: Path) -> tuple[int, int]:
    """Returns what changes when a file does; of none, nothing."""
    if not path.is_file():
        return (0, 0)
    status = path.stat()
    return (status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _check_files(
    folder: Path, path: Path, files: tuple[tuple[str, Any], ...], stamp: Any
) -> None:
    """Checks the files once for each state that they are in."""
    check_hashes(folder, dict(files), path)
