"""Machine translation by discrete latent variables, as a fairseq plug-in.

`fairseq-train --user-dir vq_nat` imports this package after fairseq, which registers
the task, model, criterion and generator. A script that imports `vq_nat` before fairseq
registers them with `import vq_nat.translation`, and those of images with `import
vq_nat.image`; `vq_nat.bottleneck` needs torch only, which an installation without
extras has.
"""

import sys
from pathlib import Path
from typing import Any, Union

__version__ = "0.1.0"
__all__ = ["load"]

if "fairseq" in sys.modules:
    from . import image, translation  # noqa: F401


def load(path: Union[str, Path], **options: Any) -> Any:
    """Loads a trained model that translates raw text.

    Args:
        path: a folder that `vq-nat export` wrote, which is read without torch and
            fairseq; one that `vq-nat pack` wrote; a checkpoint; a folder that holds
            `checkpoint_best.pt`; or "hf://OWNER/NAME", where one of them lies on the
            Hugging Face hub.
        **options: see `vq_nat.translation.translator.Translator.load`, and for a folder
            `vq_nat.engine.runtime.load_folder`.

    Returns:
        A `Translator`, or the `EngineTranslator` of a folder:
        `load(path).translate(["A man rides a bike."])`.

    Raises:
        ModuleNotFoundError: if a package of an extra is missing; it names both.
    """
    from .engine.folder import is_folder
    from .extras import missing
    from .hub import fetch, is_remote

    try:
        if is_remote(path):
            path = fetch(str(path))
        if is_remote(options.get("teacher")):
            options["teacher"] = str(fetch(options["teacher"]))
        if is_folder(path):
            from .engine.runtime import load_folder

            return load_folder(path, **options)
        from .translation.translator import Translator
    except ModuleNotFoundError as error:
        raise missing(error) from error
    return Translator.load(path, **options)
