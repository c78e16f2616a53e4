"""Owns which checkpoint of a training is kept: the one that translates best.

fairseq keeps the best one by BLEU against one reference. Where a sentence has many
right wordings that says little: a later checkpoint with 0.05 BLEU less may be right a
tenth more often. What counts is measured here, and the mean of the last ones competes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep.lib.average import average_checkpoints, last_checkpoints
from vq_nat.bench.quality import Quality, score
from vq_nat.bench.sentences import TestSet
from vq_nat.writing import replacing, write_json

AVERAGED, LAST = "averaged.pt", "checkpoint_last.pt"
SELECTION = "selection.json"
Decode = Callable[[Path], list[str]]


def select(folder: Path, number: int, valid: TestSet, decode: Decode, out: Path) -> str:
    """Writes the best of the last checkpoints and their mean.

    Args:
        folder: of a finished training.
        number: of checkpoints.
        valid: what they translate; never the test set.
        decode: translates its sources with a checkpoint.
        out: gets a copy of the chosen one; `selection.json` beside it says why.

    Returns:
        A sentence.

    Raises:
        UserError: if there are fewer checkpoints.
    """
    paths = last_checkpoints(folder, number)
    averaged = folder / AVERAGED
    average_checkpoints(paths, averaged)
    scored = {
        path.name: score(decode(path), valid.references, valid.complete)
        for path in (averaged, *paths, folder / LAST)
    }
    chosen = max(scored, key=lambda name: merit(scored[name]))  # of equals the mean
    scores = {name: describe(one) for name, one in scored.items()}
    write_json({"chosen": chosen, "of": scores}, out.parent / SELECTION)
    with replacing(out) as temporary:
        shutil.copyfile(folder / chosen, temporary)
    return f"{chosen}, {write(scored[chosen])}"


def merit(quality: Quality) -> tuple[float, float]:
    """Returns what counts: how often it is right, where that is known, then BLEU."""
    return quality.correct or 0.0, quality.bleu


def describe(quality: Quality) -> dict[str, float | None]:
    """Returns what a checkpoint was judged by."""
    return {"correct": quality.correct, "bleu": round(quality.bleu, 2)}


def write(quality: Quality) -> str:
    """Says how good a checkpoint is on the validation set."""
    right = "" if quality.correct is None else f"{quality.correct:.1%} correct, "
    return f"{right}BLEU {quality.bleu:.1f}"


def decoder(data: Path, device: str, sources: Sequence[str]) -> Decode:
    """Returns what translates sources with a checkpoint.

    Args:
        data: folder of the dictionaries.
        device: where.
        sources: raw sentences.
    """
    import vq_nat  # brings torch

    def decode(checkpoint: Path) -> list[str]:
        model = vq_nat.load(checkpoint, data=data, device=device)
        return list(model.translate(list(sources)))

    return decode
