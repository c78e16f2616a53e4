"""Owns PNG files: pictures, and the use of codes over a training."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..results.training_log import LogEntry, read_entry
from ..writing import replacing
from .plots import pyplot

FIGURES = {
    "vq_perplexity": "perplexity of a batch",
    "vq_recent_codes": "share of codes used in 100 updates",
}


def write_png(picture: Tensor, path: Path, scale: int = 2) -> Path:
    """Writes a picture, its pixels as squares. Shape: (3, H, W) uint8.

    Raises:
        ValueError: if Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError(
            "Pillow must be installed to write pictures, but is not: "
            "`pip install -e '.[image]'` does so."
        ) from error
    pixels = picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    with replacing(path) as temporary:
        image.save(temporary)
    return path


def code_use(log: Path) -> list[LogEntry]:
    """Reads what a training logged within its epochs, or the epochs if that is little.

    A resumed training repeats updates: of each the last entry counts.

    Returns:
        Entries in the order of their updates.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it says nothing of codes.
    """
    if not log.is_file():
        raise FileNotFoundError(f"the training log {log} does not exist.")
    with open(log, encoding="utf-8", errors="replace") as lines:
        entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    for kind in ("train_inner", "train"):
        entry_of_update = {
            entry.values["num_updates"]: entry
            for entry in entries
            if entry.kind == kind and "vq_perplexity" in entry.values
        }
        if len(entry_of_update) > 1 or (entry_of_update and kind == "train"):
            return [entry_of_update[update] for update in sorted(entry_of_update)]
    raise ValueError(
        f"{log} must be a log of `fairseq-train --log-format json` for a model with "
        "codes, but holds no `vq_perplexity`."
    )


def plot_code_use(log: Path, path: Path) -> Path:
    """Draws perplexity and share of used codes over the updates of a training.

    Raises:
        FileNotFoundError: if there is no such log.
        ValueError: if it says nothing of codes, or matplotlib is not installed.
    """
    entries = code_use(log)
    try:
        plt = pyplot()
    except ImportError as error:
        raise ValueError(
            "matplotlib must be installed to draw curves, but is not: "
            "`pip install -e '.[image]'` does so."
        ) from error
    figure, axes = plt.subplots(1, len(FIGURES), figsize=(9, 3.2))
    for axis, (name, label) in zip(axes, FIGURES.items()):
        points = [entry.values for entry in entries if name in entry.values]
        updates = [values["num_updates"] for values in points]
        axis.plot(updates, [values[name] for values in points], marker=".")
        axis.set_xlabel("updates")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        if name.endswith("_codes"):
            axis.set_ylim(top=1.05)  # a share
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)
    return path
