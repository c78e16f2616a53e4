"""From disk to a model that is ready to decode, with its task and its dictionaries."""

import os
from pathlib import Path
from typing import Any, Union

from fairseq.models import BaseFairseqModel
from fairseq.tasks.translation import TranslationTask
from fairseq.tasks.translation_lev import TranslationLevenshteinTask

from ..fairseq_side.checkpoints import checkpoint_path
from ..fairseq_side.compat import load_config, load_task_state, load_weights
from ..fairseq_side.guard import load_models
from ..files import BadFile
from .binding import LENGTH, is_of_other_size
from .codec import TEXT_FILE, read_description
from .fairseq_nat import MendedLevenshteinTask
from .onnx.runtime import DESCRIPTION, ExportedModel
from .task import DiscreteLatentTranslationConfig, DiscreteLatentTranslationTask


def open_model(
    path: Union[str, Path],
    data: Union[str, Path, None],
    device: str,
    autocast: str,
    beam: int,
) -> tuple[Any, TranslationTask, Path]:
    """Returns a model, its task, and the folder of its text processing.

    Args:
        path: a checkpoint, a folder that holds `checkpoint_best.pt`, or one that
            `vq-nat export` wrote.
        data: folder of the text processing, None = found beside the checkpoint or
            where it was trained.
        device: where the model goes.
        autocast: see `--autocast`.
        beam: beam width of an autoregressive model.

    Raises:
        FileNotFoundError: if one of them is missing.
        ValueError: for what an exported model cannot do.
    """
    if (Path(path) / DESCRIPTION).is_file():
        return open_exported(Path(path), device, autocast)
    model, task, folder = open_checkpoint(path, data, autocast)
    return ready(model, device, beam), task, folder


def open_checkpoint(
    path: Union[str, Path], data: Union[str, Path, None], autocast: str
) -> tuple[Any, TranslationTask, Path]:
    """Returns a checkpoint's model and task, and the folder of its text processing.

    Raises:
        FileNotFoundError: if one of them is missing.
        ValueError: if the dictionaries are not those of the training.
    """
    checkpoint = checkpoint_path(path)
    folder = find_data(checkpoint, data)
    overrides = {"data": str(folder), "autocast": autocast, "eval_bleu": False}
    try:
        models, _, task = load_models(checkpoint, arg_overrides=overrides)
    except BadFile as error:
        if not is_of_other_size(error.__cause__ or error):
            raise
        names = languages_of(checkpoint, folder)
        files = " and ".join(f"dict.{name}.txt" for name in names)
        raise ValueError(
            f"{files} in {folder} must be the dictionaries that {checkpoint} was "
            "trained with, but have another size instead."
        ) from error
    return models[0], mended(task), folder


def open_exported(
    folder: Path, device: str, autocast: str
) -> tuple[Any, TranslationTask, Path]:
    """Returns an exported model, a task for it, and its folder.

    Raises:
        ValueError: for another device or number format than those of the export.
    """
    for name, value, only in (
        ("device", device, "cpu"),
        ("autocast", autocast, "none"),
    ):
        if value not in (only, "auto"):
            raise ValueError(
                f"`{name}` must be {only!r} for an exported model, but is {value!r} "
                "instead."
            )
    model = ExportedModel(folder)
    source, target = model.languages
    config = DiscreteLatentTranslationConfig(
        data=str(folder), source_lang=source, target_lang=target
    )
    task = DiscreteLatentTranslationTask.setup_task(config)
    task.state.merge_state_dict({LENGTH: model.sizes.get(LENGTH)})
    return model, task, folder


def ready(model: BaseFairseqModel, device: str, beam: int = 1) -> BaseFairseqModel:
    """Prepares a model as fairseq-generate does, so that it is as fast."""
    model = model.to(device)
    model.eval()
    model.make_generation_fast_(beamable_mm_beam_size=beam, need_attn=False)
    return model


def mended(task: TranslationTask) -> TranslationTask:
    """Returns the task with the generator that serves fairseq's parallel models."""
    if type(task) is TranslationLevenshteinTask:
        return MendedLevenshteinTask(task.cfg, task.src_dict, task.tgt_dict)
    return task


def load_teacher(
    path: Union[str, Path], task: TranslationTask, device: str
) -> BaseFairseqModel:
    """Loads an autoregressive model that shares the dictionaries of a task.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if its dictionary is another, or it translates the other way.
    """
    checkpoint, size = checkpoint_path(path), len(task.target_dictionary)
    embedding = load_weights(checkpoint).get("decoder.embed_tokens.weight")
    if embedding is not None and len(embedding) != size:
        raise ValueError(
            f"the teacher's dictionary must hold {size} symbols, as the student's, "
            f"but that of {checkpoint} holds {len(embedding)} instead."
        )
    if hasattr(task, "check_state"):
        task.check_state(load_task_state(checkpoint), f"the teacher {checkpoint}")
    models, _, _ = load_models(checkpoint, task=task)
    return ready(models[0], device)


def languages_of(
    path: Union[str, Path], data: Union[str, Path, None] = None
) -> tuple[str, str]:
    """Returns the languages that a model translates from and to.

    Args:
        path: a checkpoint, its folder, or an exported folder.
        data: folder of the text processing; it is asked if the checkpoint was trained
            without --source-lang and --target-lang.

    Raises:
        FileNotFoundError: if there is no such checkpoint, or no text processing.
        ValueError: if it cannot be read.
    """
    checkpoint, exported = checkpoint_path(path), Path(path) / TEXT_FILE
    if exported.is_file() and not checkpoint.is_file():
        task = read_description(exported.parent)
        return task["source_lang"], task["target_lang"]
    task = load_config(checkpoint)["task"]
    if not (task.get("source_lang") and task.get("target_lang")):
        task = read_description(find_data(checkpoint, data))
    return task["source_lang"], task["target_lang"]


def find_data(checkpoint: Path, data: Union[str, Path, None] = None) -> Path:
    """Finds the folder with dictionaries and text processing of a checkpoint.

    Raises:
        FileNotFoundError: if there is none.
    """
    trained_on = Path(load_config(checkpoint)["task"]["data"])
    candidates = [Path(data)] if data else [checkpoint.parent, trained_on]
    for folder in candidates:
        if (folder / TEXT_FILE).is_file():
            refuse_taken_apart(folder)
            return folder
    if data:
        raise FileNotFoundError(
            f"{data} must hold dictionaries, subword codes and {TEXT_FILE}, but has no "
            f"{TEXT_FILE}: `prepare.py --describe` writes it."
        )
    raise FileNotFoundError(
        f"dictionaries, subword codes and {TEXT_FILE} must stand beside the checkpoint "
        f"in {checkpoint.parent}, or in {trained_on.absolute()}, which it was trained "
        "on, but do not: name their folder as `data`."
    )


def refuse_taken_apart(folder: Path) -> None:
    """Refuses a path that fairseq would read as several paths, or as an option's name.

    Raises:
        ValueError: naming the sign.
    """
    for sign in (os.pathsep, "${"):
        if sign in str(folder):
            raise ValueError(
                f"`data` must have no {sign!r} in its path, which fairseq takes apart, "
                f"but is {folder} instead."
            )
