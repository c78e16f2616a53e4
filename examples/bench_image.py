"""Times the training of the image autoencoder beside a plain PyTorch loop of it.

All train the same network on the same number of images with Adam, clipped gradients
and the M-step, in batches and in precision alike: fairseq-train with all that it logs,
with a process that loads the images (its default) and without, beside the shortest loop
there is, which has none. Each run is a process of its own, and they take turns, so that
whatever disturbs the machine disturbs them alike. The first updates of a run are not
timed.

    python examples/bench_image.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TypedDict

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.commands import environment
from examples.lib.places import ROOT
from examples.lib.trainings import call_fairseq_train
from vq_nat.bench import timing
from vq_nat.bench.machine import describe_machine
from vq_nat.results import tables as report
from vq_nat.results.rows import Machine
from vq_nat.results.training_log import read_entry
from vq_nat.writing import write_json

PLAIN, FAIRSEQ = "plain PyTorch loop", "fairseq-train"
ALONE = "fairseq-train --num-workers 0"
FILES = {
    PLAIN: "plain.json",
    FAIRSEQ: "fairseq-train.json",
    ALONE: "fairseq-train-alone.json",
}
WORKERS = {FAIRSEQ: 1, ALONE: 0}
PACKAGES = ("python", "torch", "fairseq", "vq_nat")  # whose versions matter
LR, CLIP, SEED = 0.001, 1.0, 1


class Rate(TypedDict):
    """Images per second."""

    median: float
    all: list[float]  # of each run


class TrainingSpeed(Machine):
    """What a side of the comparison did."""

    kind: str
    system: str
    arch: str
    batch_size: int
    updates: int
    warm_up: int
    images_per_s: Rate
    autocast: str
    seed: int


def write_images(folder: Path, count: int) -> None:
    """Writes random images in the layout of CIFAR-10's binary version."""
    import numpy

    draw = numpy.random.default_rng(SEED)
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        records = draw.integers(0, 256, (count // 5, 3073), dtype=numpy.uint8)
        records[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(records.tobytes())


# -------------------------------------------------------------------------------- sides


def train_plainly(args: argparse.Namespace) -> float:
    """Trains without fairseq's trainer, and returns images a second."""
    import torch

    from vq_nat.fairseq_side.compat import autocast
    from vq_nat.image import VQVAE, VQVAEConfig, open_images
    from vq_nat.image.config import PRESETS

    torch.manual_seed(SEED)
    preset = PRESETS[args.arch.removeprefix("vqvae_")]
    cfg = VQVAEConfig(image_height=32, image_width=32, **preset)
    device = torch.device(args.device)
    model = VQVAE(cfg).train().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    images, wait = open_images(args.data, "train"), timing.synchronizer(args.device)
    start = 0.0
    for update in range(args.warm_up + args.updates):
        if update == args.warm_up:
            wait()
            start = time.perf_counter()
        chosen = torch.randint(len(images), (args.batch_size,))
        batch = images.images(chosen).to(device)
        with autocast(args.autocast, device):
            out = model(batch)
            loss = out.bottleneck.loss - out.log_prob.sum() / batch.numel()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        model.bottleneck.m_step()
    wait()
    return args.updates * args.batch_size / (time.perf_counter() - start)


def train_by_fairseq(args: argparse.Namespace, folder: Path, workers: int) -> float:
    """Trains with fairseq-train, and returns images a second."""
    options = {
        "task": "image_vqvae",
        "arch": args.arch,
        "criterion": "bits_per_dim",
        "optimizer": "adam",
        "clip-norm": CLIP,
        "lr": LR,
        "batch-size": args.batch_size,
        "autocast": args.autocast,
        "seed": SEED,
        "max-update": args.warm_up + args.updates,
        "disable-validation": True,
        "no-save": True,
        "log-interval": args.warm_up,
        "num-workers": workers,
        "cpu": args.device == "cpu",
    }
    said = run(call_fairseq_train(args.data, folder, options), args)
    walls = {
        int(entry.values["num_updates"]): entry.values["wps"]
        for line in said.splitlines()
        if (entry := read_entry(line)) is not None and entry.kind == "train_inner"
    }
    # An image counts as a word; each figure is of the updates since the last one.
    timed = [speed for updates, speed in walls.items() if updates > args.warm_up]
    if not timed:
        raise SystemExit(f"error: fairseq-train logged no speed:\n{said[-2000:]}")
    return len(timed) / sum(1 / speed for speed in timed)


def run(command: list[str], args: argparse.Namespace) -> str:
    """Runs a command and returns all that it says."""
    device = "cpu" if args.device == "cpu" else "cuda"
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(args.threads, device),
    )
    if done.returncode != 0:
        raise SystemExit(f"error: {command[2]} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def speed_of(name: str, args: argparse.Namespace, folder: Path) -> float:
    """Measures a side in a fresh process."""
    if name in WORKERS:
        return train_by_fairseq(args, folder, WORKERS[name])
    command = [sys.executable, __file__, "--data", str(args.data), "--plainly"]
    for option in ("arch", "batch_size", "updates", "warm_up", "autocast", "device"):
        flag = option.replace("_", "-")
        command += [f"--{flag}", str(getattr(args, option))]
    return float(run([*command, "--threads", str(args.threads)], args).split()[-1])


# --------------------------------------------------------------------------------- rows


def measure(args: argparse.Namespace) -> list[TrainingSpeed]:
    """Measures all sides in turns and returns their rows."""
    speeds: dict[str, list[float]] = {name: [] for name in FILES}
    with tempfile.TemporaryDirectory() as folder:
        args.data = Path(folder) / "cifar-10-batches-bin"
        args.data.mkdir()
        write_images(args.data, args.images)
        for turn in range(args.repeats):
            for name in FILES:
                speeds[name].append(speed_of(name, args, Path(folder) / "out"))
                say = f"{name}, {turn + 1} of {args.repeats}: {speeds[name][-1]:.0f}"
                print(f"measured: {say} images/s", file=sys.stderr, flush=True)
    return [row_of(name, speeds[name], args) for name in FILES]


def row_of(name: str, speeds: list[float], args: argparse.Namespace) -> TrainingSpeed:
    """Returns the row of a side."""
    return {
        "kind": "image-training",
        "system": name,
        "arch": args.arch,
        "batch_size": args.batch_size,
        "updates": args.updates,
        "warm_up": args.warm_up,
        "images_per_s": {
            "median": round(median(speeds), 2),
            "all": [round(speed, 2) for speed in speeds],
        },
        "autocast": args.autocast,
        **describe_machine(args.device, args.threads, PACKAGES),
        "seed": SEED,
    }


def folder_of(args: argparse.Namespace) -> Path:
    """Returns where rows that compare with each other are kept."""
    machine = "cuda" if args.device != "cpu" else f"cpu-{args.threads}-threads"
    return args.results / f"{args.arch}-{machine}"


def table(rows: list[TrainingSpeed]) -> str:
    """Returns the Markdown table of rows that compare with each other."""
    base = next(r for r in rows if r["system"] == PLAIN)["images_per_s"]["median"]
    columns: list[report.Column[TrainingSpeed]] = [
        ("training", lambda row: row["system"]),
        ("images/s", lambda row: f"{row['images_per_s']['median']:.0f}"),
        (
            "of the plain loop",
            lambda row: report.percent(row["images_per_s"]["median"] / base),
        ),
    ]
    first = rows[0]
    notes = [
        f"- `{first['arch']}`, {first['updates']} updates of {first['batch_size']} "
        f"images, autocast {first['autocast']}; median of "
        f"{len(first['images_per_s']['all'])} runs that took turns.",
        f"- {report.made_on(rows)}",
    ]
    return "\n".join([report.markdown(columns, rows), "", *notes])


# --------------------------------------------------------------------------------- main


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--arch", default="vqvae_cifar10_tiny", help="a preset of the model")
    add("--batch-size", type=int, default=128, help="images of an update")
    add("--updates", type=int, default=60, help="timed updates of a run")
    add("--warm-up", type=int, default=10, help="updates before them")
    add("--images", type=int, default=20000, help="random images to train on")
    add("--repeats", type=int, default=3, help="runs of each side")
    add("--autocast", default="auto", help="none, auto, bfloat16 or float16")
    add("--threads", type=int, default=2, help="CPU threads")
    add("--device", default="cpu", choices=("cpu", "cuda"))
    results = ROOT / "examples" / "results" / "image"
    add("--results", type=Path, default=results, help="folder for the rows")
    add("--data", type=Path, help=argparse.SUPPRESS)  # for the fresh processes
    add("--plainly", action="store_true", help=argparse.SUPPRESS)
    return parser


def check(args: argparse.Namespace) -> None:
    """Refuses what cannot be measured."""
    for name in ("batch_size", "updates", "warm_up", "repeats", "threads"):
        value, flag = getattr(args, name), name.replace("_", "-")
        if value < 1:
            raise SystemExit(f"error: --{flag} must be at least 1, but is {value}.")
    if args.updates % args.warm_up:
        raise SystemExit(
            f"error: --updates must be a multiple of --warm-up ({args.warm_up}), "
            f"but is {args.updates}."
        )


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    check(args)
    warnings.simplefilter("ignore")  # of imports, which no user can heed
    if args.plainly:
        with timing.pinned_threads(args.threads):
            print(train_plainly(args))
        return
    rows, folder = measure(args), folder_of(args)
    for row in rows:
        write_json(row, folder / FILES[row["system"]])
    text = table([json.loads((folder / FILES[name]).read_text()) for name in FILES])
    (folder / "image_training.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
