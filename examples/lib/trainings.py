"""Owns trainings by fairseq-train: flags, folders to continue in, stamps."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.lib.names import check_path
from data_prep.lib.options import flags
from data_prep.lib.steps import UserError, once, sha256
from examples.lib.commands import environment, run_with_bar
from examples.lib.places import LANGS, ROOT, Place, corpus_stamp
from examples.lib.progress import TrainingBar, minutes
from examples.lib.weights import weights_of
from vq_nat.results.training_log import read_log
from vq_nat.writing import json_or_none, write_json

TEACHER = "TEACHER"  # stands for the teacher's checkpoint in a preset
START = "START"  # stands for the checkpoint of the model that a training goes on from
RECIPE_VERSION = 1  # raise when a training's result changes for the same flags


def train(
    place: Place,
    name: str,
    folder: Path,
    options: Mapping[str, Any],
    corpus: Path,
    teacher: Path | None = None,
    output: str = "checkpoint_best.pt",
    start: Path | None = None,
) -> str:
    """Trains, or continues a training that was interrupted.

    Args:
        place: where its stamp is kept, and on what machine it runs.
        name: of the system and its stamp.
        folder: for checkpoints and log.
        options: fairseq's flags; `TEACHER` as a value stands for the teacher, `START`
            for what it goes on from.
        corpus: prepared corpus to train on.
        teacher: its checkpoint.
        output: the file that the training is for.
        start: the checkpoint that it goes on from.
    """
    recipe = recipe_of(options, corpus, teacher, start)
    own = with_models(options, {TEACHER: teacher, START: start})

    def make() -> None:
        make_ready(folder, recipe)
        env = environment(place.threads, place.device)
        command = fairseq_train(corpus / "bin", folder, for_machine(own, env))
        bar = TrainingBar(int(options["max-update"]), name if place.jobs > 1 else "")
        run_with_bar(command, folder / "train.log", env, bar)

    made = once(place.stamp(name), recipe, folder / output, make)
    return f"{'done' if made else 'reused'}: {describe_training(folder)}"


def with_models(
    options: Mapping[str, Any], models: Mapping[str, Path | None]
) -> dict[str, Any]:
    """Puts checkpoints in the place of the words that stand for them."""
    return {
        k: models[v] if isinstance(v, str) and v in models else v
        for k, v in options.items()
    }


def for_machine(options: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """Turns `batch-tokens`, which all GPUs make together, into their steps.

    Args:
        options: fairseq's flags and, perhaps, this key.
        env: of the training; fairseq-train uses all GPUs that it lets it see.
    """
    if "batch-tokens" not in options:
        return options
    rest = {k: v for k, v in options.items() if k != "batch-tokens"}
    step = int(options["max-tokens"]) * max(1, count_gpus(env))
    return {**rest, "update-freq": max(1, round(options["batch-tokens"] / step))}


def count_gpus(env: Mapping[str, str]) -> int:
    """Counts the GPUs that a program with this environment sees."""
    program = "import torch; print(torch.cuda.device_count())"
    command = [sys.executable, "-c", program]
    counted = subprocess.run(command, env=dict(env), capture_output=True, text=True)
    return int(counted.stdout.strip() or 0)


def recipe_of(
    options: Mapping[str, Any],
    corpus: Path,
    teacher: Path | None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Returns all that a training depends on, as its stamp names it."""
    inputs = {"corpus": sha256(corpus_stamp(corpus))}
    if TEACHER in options.values() and teacher is not None:
        inputs["teacher"] = weights_of(teacher)
    if START in options.values() and start is not None:
        inputs["start"] = weights_of(start)
    return {"version": RECIPE_VERSION, "flags": dict(options), "inputs": inputs}


def fairseq_train(data: Path, folder: Path, options: dict[str, Any]) -> list[str]:
    """Returns a call of fairseq-train that translates, see `call_fairseq_train`."""
    fixed = {
        "task": "discrete_latent_translation",
        "source-lang": LANGS[0],
        "target-lang": LANGS[1],
        "required-batch-size-multiple": 1,  # fairseq's 8 leaves out up to 7 sentences
    }
    return call_fairseq_train(data, folder, {**fixed, **options})


def call_fairseq_train(data: Path, folder: Path, options: dict[str, Any]) -> list[str]:
    """Returns a call of fairseq-train.

    Args:
        data: what the task reads.
        folder: for checkpoints.
        options: further flags.
    """
    for path in (data, folder):
        check_path(path, "A folder of a training")
    fixed = {
        "user-dir": ROOT / "vq_nat",
        "autocast": "auto",
        "num-workers": 0,
        "log-format": "json",
        "log-interval": 10,
        "no-epoch-checkpoints": True,
        "save-dir": folder,
    }
    program = [sys.executable, "-m", "fairseq_cli.train", str(data)]
    return [*program, *flags({**fixed, **options})]


def make_ready(folder: Path, recipe: dict[str, Any]) -> None:
    """Keeps what an interrupted training with the same recipe has left; nothing else.

    Raises:
        UserError: if the folder holds something that is not ours.
    """
    started = folder / "started.json"
    before = json_or_none(started)
    if folder.exists() and before != recipe:
        ours = isinstance(before, dict) and before.keys() == recipe.keys()
        if any(folder.iterdir()) and not ours:
            raise UserError(
                f"{folder} must be a folder of this script, but holds other files; "
                "choose another one with --work."
            )
        shutil.rmtree(folder)
    write_json(recipe, started)
    last, others = folder / "checkpoint_last.pt", folder.glob("checkpoint*.pt")
    # Half a file, which fairseq-train passes over for a whole one, if there is one.
    if last.exists() and not any(map(zipfile.is_zipfile, others)):
        last.unlink()


def describe_training(folder: Path) -> str:
    """Sums up a training's log."""
    log = read_log(folder / "train.log")
    text = "no valid BLEU"
    if "bleu" in log.best:
        text = f"valid BLEU {log.best['bleu']:.1f}"
    if "bleu_true_codes" in log.best:
        text += f" ({log.best['bleu_true_codes']:.1f} with true codes)"
    return f"{text} after {log.updates:,} updates in {minutes(log.seconds)}"
