"""From a checkpoint to a folder that the engine reads, see `engine.export`.

`exported_folder` exports a checkpoint once, for callers that only want to run it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Optional, Union

from .. import __version__
from ..engine.export import export
from ..engine.folder import DESCRIPTION
from ..fairseq_side.checkpoints import checkpoint_path
from ..files import sha256
from .about import about_model
from .binding import trained_source
from .loading import open_checkpoint
from .pack import card_of, dictionaries_of


def export_checkpoint(
    path: Union[str, Path],
    out: Union[str, Path],
    data: Union[str, Path, None] = None,
    number_format: str = "int8",
    row: Union[str, Path, None] = None,
    licence: Optional[str] = None,
) -> None:
    """Exports a latent model or an autoregressive Transformer of fairseq.

    Args:
        path: a checkpoint, a folder that holds `checkpoint_best.pt`, or a packed one.
        out: the folder to make.
        data: folder of the text processing, None = found, see `loading.find_data`.
        number_format: "int8" or "float32".
        row: see `about.about_model`.
        licence: see `about.about_model`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: for a model that the engine does not serve, if `out` exists, or if
            the row is that of another checkpoint.
    """
    model, task, folder = open_checkpoint(path, data, "none")
    model.eval()
    checkpoint = checkpoint_path(path)
    about = about_model(checkpoint, model, row, licence)
    dictionaries = dictionaries_of(task)
    card = card_of(checkpoint, about, list(dictionaries), DESCRIPTION)
    place = (folder, Path(out))
    kept = {"version": __version__, "trained_source": trained_source(task)}
    export(model, dictionaries, *place, number_format, **kept, about=about, card=card)


def exported_folder(
    checkpoint: Path, kind: str, export: Callable[[Path, Path], object]
) -> Path:
    """Exports a checkpoint once, into a folder beside it.

    Args:
        checkpoint: a file, or a folder that holds `checkpoint_best.pt`.
        kind: of the export, with its number format; it names the folder, together with
            what the checkpoint holds.
        export: is called with the checkpoint and the folder, if there is none.
    """
    checkpoint = checkpoint_path(checkpoint)
    folder = checkpoint.parent / f"{kind}-{sha256(checkpoint)[:16]}"
    if not folder.is_dir():
        export(checkpoint, folder)
    return folder
