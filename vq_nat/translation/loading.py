"""From disk to a model that is ready to decode, with its task and its dictionaries."""

from pathlib import Path
from typing import Any, Union

from fairseq.models import BaseFairseqModel
from fairseq.tasks.translation import TranslationTask
from fairseq.tasks.translation_lev import TranslationLevenshteinTask

from ..fairseq_side.compat import load_config, load_weights
from ..fairseq_side.guard import load_models
from .codec import TEXT_FILE
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


def checkpoint_path(path: Union[str, Path]) -> Path:
    """Returns a checkpoint, the best one of a folder."""
    path = Path(path)
    return path / "checkpoint_best.pt" if path.is_dir() else path


def open_checkpoint(
    path: Union[str, Path], data: Union[str, Path, None], autocast: str
) -> tuple[Any, TranslationTask, Path]:
    """Returns a checkpoint's model and task, and the folder of its text processing.

    Raises:
        FileNotFoundError: if one of them is missing.
    """
    checkpoint = checkpoint_path(path)
    folder = find_data(checkpoint, data)
    overrides = {"data": str(folder), "autocast": autocast, "eval_bleu": False}
    models, _, task = load_models(checkpoint, arg_overrides=overrides)
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
    return model, DiscreteLatentTranslationTask.setup_task(config), folder


def ready(model: BaseFairseqModel, device: str, beam: int = 1) -> BaseFairseqModel:
    """Prepares a model as fairseq-generate does, to be as fast here as there."""
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
        ValueError: if its dictionary has another size.
    """
    checkpoint, size = checkpoint_path(path), len(task.target_dictionary)
    embedding = load_weights(checkpoint).get("decoder.embed_tokens.weight")
    if embedding is not None and len(embedding) != size:
        raise ValueError(
            f"the teacher's dictionary must hold {size} symbols, as the student's, "
            f"but that of {checkpoint} holds {len(embedding)} instead."
        )
    models, _, _ = load_models(checkpoint, task=task)
    return ready(models[0], device)


def find_data(checkpoint: Path, data: Union[str, Path, None] = None) -> Path:
    """Finds the folder with dictionaries and text processing of a checkpoint.

    Raises:
        FileNotFoundError: if there is none.
    """
    trained_on = Path(load_config(checkpoint)["task"]["data"])
    candidates = [Path(data)] if data else [checkpoint.parent, trained_on]
    for folder in candidates:
        if (folder / TEXT_FILE).is_file():
            return folder
    places = " nor ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(
        f"dictionaries, bpe.codes and {TEXT_FILE} must stand in the checkpoint's "
        f"folder or the data folder, but {places} has no {TEXT_FILE}."
    )
