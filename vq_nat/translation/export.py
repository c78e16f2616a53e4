"""From a checkpoint to a folder that the engine reads, see `engine.export`."""

from pathlib import Path
from typing import Union

from .. import __version__
from ..engine.export import export
from .binding import trained_source
from .loading import open_checkpoint


def export_checkpoint(
    path: Union[str, Path],
    out: Union[str, Path],
    data: Union[str, Path, None] = None,
    number_format: str = "int8",
) -> None:
    """Exports a latent model or an autoregressive Transformer of fairseq.

    Args:
        path: a checkpoint, or a folder that holds `checkpoint_best.pt`.
        out: the folder to make.
        data: folder of the text processing, None = found, see `loading.find_data`.
        number_format: "int8" or "float32".

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: for a model that the engine does not serve, or if `out` exists.
    """
    model, task, folder = open_checkpoint(path, data, "none")
    model.eval()
    dictionaries = {
        task.cfg.source_lang: task.source_dictionary,
        task.cfg.target_lang: task.target_dictionary,
    }
    export(
        model,
        dictionaries,
        folder,
        Path(out),
        number_format,
        __version__,
        trained_source(task),
    )
