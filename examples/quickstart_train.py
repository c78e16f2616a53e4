"""Owns the quickstart's trained parts: corpus, teacher, distillation, students."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from options import flags
from quickstart_plan import (
    LANGS,
    RECIPE_VERSION,
    ROOT,
    TEACHER,
    Plan,
    corpus_stamp,
)
from quickstart_run import (
    ForwardedBar,
    TrainingBar,
    environment,
    is_done,
    mark_done,
    read_json,
    run_logged,
    write_json,
)
from steps import PrepError, sha256

from vq_nat.bench.training_log import read_log


def make_corpus(plan: Plan) -> str:
    """Makes or fetches the text, tokenises, splits into subwords, binarises."""
    options = {
        name: value
        for name, value in plan.preset["corpus"].items()
        if name not in ("name", "test-set")
    }
    bpe = {"bpe-operations": options.pop("bpe-operations")}
    workers = {"workers": plan.threads}
    out = {"out": plan.corpus}
    if plan.kind == "multi30k":
        script = ["bash", str(ROOT / "data_prep" / "multi30k_ende.sh")]
        commands = [[*script, *flags({**out, "data": plan.data, **bpe, **workers})]]
    else:
        langs = dict(zip(("source-lang", "target-lang"), LANGS, strict=True))
        text = {"raw": plan.corpus / "raw", **out, **langs, **bpe, **workers}
        commands = [
            python("demo_corpus.py", {**out, **options}),
            python("prepare.py", text),
        ]
    return run_data_prep(plan, plan.corpus, commands)


def distill(plan: Plan) -> str:
    """Lets the teacher translate the training sources."""
    options = {"teacher": plan.teacher, "data": plan.corpus, "out": plan.distilled}
    options |= plan.preset["distill"] | {"workers": plan.threads}
    return run_data_prep(plan, plan.distilled, [python("distill.py", options)])


def run_data_prep(plan: Plan, out: Path, commands: list[list[str]]) -> str:
    """Runs commands that keep stamps of their own, and looks whether they had to."""
    before = modified(corpus_stamp(out))
    env = environment(plan.threads, plan.device) | {"PYTHON": sys.executable}
    for command in commands:
        bar = ForwardedBar()
        try:
            run_logged(command, out / "prepare.log", env, bar)
        finally:
            bar.close()
    pairs = count_lines(out / "bpe" / f"train.{LANGS[0]}")
    state = "reused" if modified(corpus_stamp(out)) == before else "done"
    return f"{state}: {pairs:,} training pairs in {out}"


def modified(path: Path) -> int:
    """Returns when a file was written, 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def count_lines(path: Path) -> int:
    """Counts the lines of a file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def train(plan: Plan, name: str, section: str, corpus: Path) -> str:
    """Trains, or continues a training that was interrupted.

    Args:
        plan: what to do.
        name: of the system and its folder.
        section: of the preset, with fairseq's flags.
        corpus: prepared corpus to train on.
    """
    folder, options = plan.work / name, plan.preset[section]
    inputs = {"corpus": sha256(corpus_stamp(corpus))}
    if TEACHER in options.values():
        inputs["teacher"] = sha256(plan.teacher)
    recipe = {"version": RECIPE_VERSION, "flags": options, "inputs": inputs}
    best = folder / "checkpoint_best.pt"
    state = "reused"
    if not is_done(plan.stamp(name), recipe, best):
        state = "done"
        make_ready(folder, recipe)
        bar = TrainingBar(int(options["max-update"]))
        env = environment(plan.threads, plan.device)
        command = training_command(plan, folder, options, corpus)
        try:
            run_logged(command, folder / "train.log", env, bar)
        finally:
            bar.close()
        mark_done(plan.stamp(name), recipe, best)
    return f"{state}: {describe_training(folder)}"


def training_command(
    plan: Plan, folder: Path, options: dict[str, Any], corpus: Path
) -> list[str]:
    """Returns the call of fairseq-train for a step of the plan."""
    own = {k: plan.teacher if v == TEACHER else v for k, v in options.items()}
    return fairseq_train(corpus / "bin", folder, own)


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
        PrepError: if the folder holds something that is not ours.
    """
    started = folder / "started.json"
    if folder.exists() and read_json(started) != recipe:
        if any(folder.iterdir()) and not started.exists():
            raise PrepError(
                f"{folder} must be a folder of this script, but holds other files; "
                "choose another one with --work."
            )
        shutil.rmtree(folder)
    write_json(started, recipe)
    last, best = folder / "checkpoint_last.pt", folder / "checkpoint_best.pt"
    if last.exists() and not zipfile.is_zipfile(last):  # killed while it was written
        last.unlink()
        if zipfile.is_zipfile(best):
            shutil.copyfile(best, last)


def describe_training(folder: Path) -> str:
    """Sums up a training's log."""
    log = read_log(folder / "train.log")
    bleu = log.best.get("bleu", float("nan"))
    text = f"valid BLEU {bleu:.1f}"
    if "bleu_true_codes" in log.best:
        text += f" ({log.best['bleu_true_codes']:.1f} with true codes)"
    return f"{text} after {log.updates:,} updates in {minutes(log.seconds)}"


def python(script: str, options: dict[str, Any]) -> list[str]:
    """Returns the call of a script of data_prep."""
    return [sys.executable, str(ROOT / "data_prep" / script), *flags(options)]


def minutes(seconds: float) -> str:
    """Writes a time span."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
