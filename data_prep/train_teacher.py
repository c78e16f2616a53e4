"""Trains an autoregressive teacher with fairseq-train, and averages its checkpoints."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.average import average_checkpoints, last_checkpoints
from data_prep.lib.names import check_path
from data_prep.lib.options import flags, number_of, read_yaml
from data_prep.lib.steps import (
    UserError,
    Workspace,
    errors_as_sentences,
    sha256,
    tell,
)
from data_prep.lib.text import write_lines
from data_prep.lib.typed import value_of
from vq_nat.files import read_json
from vq_nat.processes import command_group
from vq_nat.writing import json_or_none, write_json

HERE = Path(__file__).resolve().parent
USER_DIR = HERE.parent / "vq_nat"
OURS = ("base", "batch-tokens", "average")  # keys that are no flags of fairseq-train
TEACHER = "teacher.pt"


def read_preset(path: Path) -> dict[str, Any]:
    """Returns the keys of a preset and of its bases.

    Raises:
        UserError: if a file is missing or no preset.
    """
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (HERE / "presets").glob("*.yaml")))
        raise UserError(f"The preset {path} must be a file or one of {known}.")
    keys = read_yaml(path)
    if not isinstance(keys, dict):
        raise UserError(f"The preset {path} must hold flags, but does not.")
    base = keys.pop("base", None)
    if base is not None:
        base = value_of(f"`base` of the preset {path}", base, str)
    if isinstance(keys.get("teacher"), dict):
        keys = keys["teacher"]  # a preset of the quickstart
    return keys if base is None else read_preset(find_preset(base, path.parent)) | keys


def find_preset(name: str, folder: Path) -> Path:
    """Returns the file that a name or a path means."""
    return folder / (name if name.endswith(".yaml") else f"{name}.yaml")


def training_command(
    preset: dict[str, Any], data: Path, out: Path, gpus: int, extra: list[str]
) -> list[str]:
    """Returns the call of fairseq-train, by torchrun if there are several GPUs.

    Raises:
        UserError: if `data` is not a prepared corpus, or fairseq would take a path
            apart.
    """
    check_path(data, "--data")
    check_path(out, "--out")
    path = data / "bin" / "text.json"
    if not path.is_file():
        raise UserError(f"The file {path} is missing; run prepare.py first.")
    recipe = read_json(path, "the description of a corpus")
    options = {key: value for key, value in preset.items() if key not in OURS}
    if "batch-tokens" in preset:
        step = number_of(preset, "max-tokens") * max(1, gpus)
        batch = number_of(preset, "batch-tokens")
        options["update-freq"] = max(1, round(batch / step))
    fixed = {
        "user-dir": USER_DIR,
        "task": "discrete_latent_translation",
        "source-lang": recipe.get("source_lang"),
        "target-lang": recipe.get("target_lang"),
        "autocast": "auto",
        "required-batch-size-multiple": 1,
        "log-format": "json",
        "save-dir": out,
    }
    program = [sys.executable, "-m", "fairseq_cli.train"]
    if gpus > 1:
        program = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        program += [f"--nproc_per_node={gpus}", "-m", "fairseq_cli.train"]
    return [*program, str(data / "bin"), *flags({**fixed, **options}), *extra]


def train(command: list[str], out: Path) -> None:
    """Runs the training, with its log on the screen and in OUT/train.log.

    Raises:
        UserError: if it fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PYTHONUTF8": "1"}
    with (
        open(out / "train.log", "a", encoding="utf-8") as log,
        command_group(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=env,
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            print(line, end="", file=sys.stderr, flush=True)
        process.wait()
    if process.returncode != 0:
        raise UserError(
            f"fairseq-train failed with status {process.returncode}; its log is "
            f"{out / 'train.log'}."
        )


def choose_teacher(out: Path, number: int) -> None:
    """Writes the teacher: an average, or the best checkpoint."""
    paths = last_checkpoints(out, number) if number else [out / "checkpoint_best.pt"]
    average_checkpoints(paths, out / TEACHER)
    names = ", ".join(path.name for path in paths)
    tell(f"ready: {out / TEACHER}, made of {names}")


def run(args: argparse.Namespace, extra: list[str]) -> None:
    """Trains, unless the same training is finished."""
    path = find_preset(args.preset, HERE / "presets")
    preset = read_preset(args.preset_file or path)
    average = number_of({"average": 0, **preset}, "average", least=0)
    command = training_command(preset, args.data, args.out, args.gpus, extra)

    def make(folder: Path) -> None:
        train(command, args.out)
        choose_teacher(args.out, average)
        # The stamp is worth what the teacher is worth: both or neither.
        write_lines(folder / "teacher.sha256", [sha256(args.out / TEACHER)])

    stamp = args.data / ".done" / "bin.json"
    inputs = {"corpus": stamp} if stamp.is_file() else {}
    options = {"preset": preset, "extra": extra, "gpus": args.gpus}
    with Workspace(args.out) as work:
        check_unchanged(args.out, options, inputs)
        if not (args.out / TEACHER).is_file():
            shutil.rmtree(args.out / "trained", ignore_errors=True)
        work.step("trained", inputs, options, make)


def check_unchanged(
    out: Path, options: dict[str, Any], inputs: dict[str, Path]
) -> None:
    """Refuses to continue a training of something else in the same folder.

    Raises:
        UserError: if the folder holds one.
    """
    recipe = {"options": options, "inputs": {k: sha256(p) for k, p in inputs.items()}}
    path = out / "started.json"
    if not path.exists():
        write_json(recipe, path)
    elif json_or_none(path) != json.loads(json.dumps(recipe)):
        raise UserError(
            f"{out} holds a training with other options or another corpus; give --out "
            "another folder."
        )


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    words = sys.argv[1:] if argv is None else argv
    place = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--preset", required=True, help="a file, or a name in data_prep/presets")
    add("--data", type=Path, required=True, help="corpus made by prepare.py")
    add("--out", type=Path, required=True, help="folder of the checkpoints")
    add("--gpus", type=int, help="processes of torchrun (default: all GPUs)")
    args = parser.parse_args(words[:place])
    with errors_as_sentences():
        args.preset_file = Path(args.preset) if Path(args.preset).is_file() else None
        if args.gpus is None:
            import torch

            args.gpus = torch.cuda.device_count()
        run(args, words[place + 1 :])


if __name__ == "__main__":
    main()
