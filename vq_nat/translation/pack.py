"""From a checkpoint to a folder to pass on: no pickle, complete, with a card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, Union

from fairseq.data import Dictionary
from fairseq.tasks.translation import TranslationTask

from .. import __version__
from ..fairseq_side.checkpoints import CONFIG, WEIGHTS, checkpoint_path
from ..fairseq_side.compat import load_state
from ..fairseq_side.packed import write_packed
from ..files import new_folder, reading, sha256
from ..results.card import write_card
from ..text.copying import write_texts
from .about import about_model
from .binding import describe_text
from .loading import open_checkpoint

LOAD = """\
```python
import vq_nat

translator = vq_nat.load("FOLDER")  # this folder, or "hf://OWNER/NAME"
translator.translate(["One sentence."])
```

```bash
vq-nat translate FOLDER < in.txt > out.txt
```"""
IN_FAIRSEQ = f"""\
In fairseq, the folder is a data folder (for its dictionaries) and a checkpoint:

```bash
fairseq-interactive FOLDER --user-dir "$(vq-nat where)" --task TASK \\
    --source-lang SOURCE --target-lang TARGET --path FOLDER/{WEIGHTS}
```"""


def pack_checkpoint(
    path: Union[str, Path],
    out: Union[str, Path],
    data: Union[str, Path, None] = None,
    row: Union[str, Path, None] = None,
    licence: Optional[str] = None,
) -> None:
    """Packs a model that translates; a packed one gives the same bytes again.

    Args:
        path: a checkpoint, a folder that holds `checkpoint_best.pt`, or a packed one.
        out: the folder to make.
        data: folder of the text processing, None = found, see `loading.find_data`.
        row: see `about.about_model`.
        licence: see `about.about_model`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if `out` exists, or the row is that of another checkpoint.
    """
    with new_folder(Path(out)) as folder:
        checkpoint = checkpoint_path(path)
        model, task, texts = open_checkpoint(path, data, "none")
        about = about_model(checkpoint, model, row, licence)
        dictionaries = dictionaries_of(task)
        write_texts(dictionaries, texts, folder)
        languages = list(dictionaries)
        both = (task.source_dictionary, task.target_dictionary)
        said = {
            "kind": about.get("kind"),
            "version": __version__,
            "languages": languages,
            "about": about,
        }
        text = describe_text(languages, both)
        write_packed(load_state(checkpoint), folder, text, said)
        in_fairseq = IN_FAIRSEQ.replace("TASK", task.cfg._name or "translation")
        for name, language in zip(("SOURCE", "TARGET"), languages):
            in_fairseq = in_fairseq.replace(name, language)
        card_of(checkpoint, about, languages, CONFIG, in_fairseq)(folder)


def dictionaries_of(task: TranslationTask) -> dict[str, Dictionary]:
    """Returns source and target dictionary of a task, by language."""
    return {
        task.cfg.source_lang: task.source_dictionary,
        task.cfg.target_lang: task.target_dictionary,
    }


def card_of(
    checkpoint: Path,
    about: dict[str, Any],
    languages: list[str],
    description: str,
    further: str = "",
) -> Callable[[Path], object]:
    """Returns what writes a model's card into its folder.

    Args:
        checkpoint: named if what it tells cannot be read.
        about: see `about.about_model`.
        languages: source and target.
        description: name of the file that lists the hashes of all others.
        further: how else the folder is used, Markdown.
    """
    use = f"{LOAD}\n\n{further}".rstrip()

    def write(folder: Path) -> None:
        digest = sha256(folder / description)
        with reading(checkpoint, "a checkpoint that tells of its training"):
            write_card(folder, description, digest, languages, about, use)

    return write
