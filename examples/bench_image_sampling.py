"""Times sampling beside a plain PyTorch loop of the same two networks.

Both sides draw codes from one prior, with keys and values kept, and decode them by one
autoencoder to the likely image. The plain loop is the shortest there is: a step,
`torch.multinomial`, the next step. They take turns, so that whatever disturbs the
machine disturbs them alike. Nothing is trained: weights do not change the time.

    python examples/bench_image_sampling.py --threads 2
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from vq_nat.bench import timing
from vq_nat.bench.machine import describe_machine
from vq_nat.results import tables as report
from vq_nat.results.rows import Machine
from vq_nat.writing import write_json

PLAIN, OURS = "plain PyTorch loop", "vq_nat.image.sampling"
FILES = {PLAIN: "sampling-plain.json", OURS: "sampling.json"}
PACKAGES = ("python", "torch", "vq_nat")  # whose versions matter
SIDE, SEED = 32, 1


class SamplingSpeed(Machine):
    """What a side of the comparison did."""

    kind: str
    system: str
    size: str
    slices: int
    parameters: int
    batch_size: int
    repeats: int
    images_per_s: float
    of_plain: float


def build(args: argparse.Namespace) -> tuple[Any, Any]:
    """Builds an autoencoder and a prior of its codes, of a named size."""
    from vq_nat.image.autoencoder import VQVAE
    from vq_nat.image.checkpoints import code_grid
    from vq_nat.image.config import PRESETS, VQVAEConfig
    from vq_nat.image.prior import CodePrior
    from vq_nat.image.prior_config import PRESETS as PRIORS
    from vq_nat.image.prior_config import CodePriorConfig

    torch.manual_seed(SEED)
    options = {**PRESETS[args.size], "vq_slices": args.slices}
    if args.slices > 1:  # the grid of the paper's product quantization
        options |= {"latent_width": 8 * args.slices, "vq_num_codes": 256}
    config = VQVAEConfig(image_height=SIDE, image_width=SIDE, **options)
    autoencoder = VQVAE(config).eval().to(args.device)
    prior = CodePrior(CodePriorConfig(**PRIORS[args.size]), code_grid(autoencoder))
    return autoencoder, prior.eval().to(args.device)


@torch.no_grad()
def plain_loop(autoencoder: Any, prior: Any, count: int) -> Tensor:
    """Draws and decodes images by the shortest loop. Shape: (count, 3, H, W)."""
    from vq_nat.nn.transformer import KeyValueBuffer

    past = [KeyValueBuffer(prior.grid.length) for _ in prior.layers]
    previous, codes = None, []
    for _ in range(prior.grid.length):
        hidden, slices = prior.step(previous, past, count), []
        for index in range(prior.grid.slices):
            odds = prior.head.step(hidden, index).softmax(dim=-1)
            slices.append(torch.multinomial(odds, 1).squeeze(1))
            hidden = prior.head.add(hidden, index, slices[-1])
        previous = torch.stack(slices, dim=1)
        codes.append(previous)
    params = autoencoder.decode(autoencoder.lookup(torch.stack(codes, dim=1)))
    return autoencoder.likelihood.mode(params).cpu()


def ours(autoencoder: Any, prior: Any, count: int, device: str) -> Tensor:
    """Draws and decodes images as a user does. Shape: (count, 3, H, W)."""
    from vq_nat.image.sampling import PLAIN as AS_IT_IS
    from vq_nat.image.sampling import decode_codes, sample_codes

    codes = sample_codes(
        prior, count, AS_IT_IS, seed=SEED, batch_size=count, device=device
    )
    return decode_codes(autoencoder, codes, batch_size=count, device=device)


def measure(args: argparse.Namespace) -> list[SamplingSpeed]:
    """Times both in turns, after one untimed call each."""
    autoencoder, prior = build(args)
    size, device = args.batch_size, args.device
    calls = {
        PLAIN: lambda: plain_loop(autoencoder, prior, size),
        OURS: lambda: ours(autoencoder, prior, size, device),
    }
    wait = timing.synchronizer(device)
    times: dict[str, list[float]] = {name: [] for name in calls}
    with timing.pinned_threads(args.threads):
        for call in calls.values():
            call()
        for _ in range(args.repeats):
            for name, call in calls.items():
                times[name].append(timing.seconds(call, wait))
    return [make_row(name, times, args, prior) for name in calls]


def make_row(
    name: str, times: dict[str, list[float]], args: argparse.Namespace, prior: Any
) -> SamplingSpeed:
    """Returns a side's row; the median of its times counts."""
    rate = args.batch_size / median(times[name])
    return {
        "kind": "image-sampling",
        "system": name,
        "size": args.size,
        "slices": args.slices,
        "parameters": sum(p.numel() for p in prior.parameters()),
        "batch_size": args.batch_size,
        "repeats": args.repeats,
        "images_per_s": round(rate, 2),
        "of_plain": round(median(times[PLAIN]) / median(times[name]), 4),
        **describe_machine(args.device, args.threads, PACKAGES),
    }


def table(rows: list[SamplingSpeed]) -> str:
    """Returns the table of both sides and what it is about."""
    columns: list[report.Column[SamplingSpeed]] = [
        ("sampling", lambda row: row["system"]),
        ("images/s", lambda row: report.number(row["images_per_s"])),
        ("of the plain loop", lambda row: report.percent(row["of_plain"])),
    ]
    first = rows[0]
    note = (
        f"- Prior `code_prior_{first['size']}` and autoencoder `vqvae_{first['size']}`,"
        f" {first['slices']} slice(s), batches of {first['batch_size']}; "
        f"{first['processor']}, {first['threads']} thread(s), torch "
        f"{first['versions']['torch']}; commit {first['commit']}."
    )
    return f"{report.markdown(columns, rows)}\n\n{note}\n"


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--size", default="cifar10_tiny", choices=("cifar10", "cifar10_tiny"))
    add("--slices", type=int, default=1, help="of product quantization (default: 1)")
    add("--batch-size", type=int, default=64, help="images at a time (default: 64)")
    add("--repeats", type=int, default=5, help="timed calls of each (default: 5)")
    add("--threads", type=int, default=2, help="CPU threads (default: 2)")
    add("--device", default="cpu", help="cpu, cuda, … (default: cpu)")
    add("--out", type=Path, help="folder of rows and table (default: only printed)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    warnings.simplefilter("ignore")  # of fairseq's imports, which no user can heed
    for name in ("slices", "batch_size", "repeats", "threads"):
        if getattr(args, name) < 1:
            flag = name.replace("_", "-")
            sys.exit(f"error: --{flag} must be at least 1, but is not.")
    rows = measure(args)
    text = table(rows)
    print(text)
    if args.out is not None:
        for row in rows:
            write_json(row, args.out / FILES[row["system"]])
        (args.out / "sampling.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
