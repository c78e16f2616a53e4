"""Times the bottleneck, and weighs it, beside vector-quantize-pytorch.

A step is what an update costs besides the encoder and the decoder: one forward pass in
training mode, and the M-step. Both sides get the same input, the same sizes, moving
averages and a plain codebook. Their steps take turns, so that whatever disturbs the
machine disturbs them alike. Extra memory is what a step's peak adds to what was there
before it: on a CPU by the resident set of a fresh process, on a GPU by the allocator.

    python examples/bench_bottleneck.py --threads 2
    python examples/bench_bottleneck.py --threads 1 --n 2048 --members

With --members all of the family is measured, and the backward pass as well.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypedDict

import torch

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib import bottleneck_members
from examples.lib.places import ROOT
from vq_nat.bench import timing
from vq_nat.bench.machine import describe_machine
from vq_nat.bottleneck import BottleneckConfig, build_bottleneck
from vq_nat.results import tables as report
from vq_nat.results.rows import Machine
from vq_nat.writing import write_json

Step = Callable[[], object]
BASELINE, HARD = "vector-quantize-pytorch", "hard"
SIZES: tuple[Literal["vectors", "width", "codes"], ...] = ("vectors", "width", "codes")
KINDS = ("bottleneck", "bottleneck_members")
DECAY, EPSILON, COMMITMENT, SEED = 0.999, 1e-5, 0.25, 1


class Seconds(TypedDict):
    """Of a step."""

    median: float
    all: list[float]


class Cost(Machine):
    """What a step of a system costs."""

    kind: str
    system: str
    vectors: int
    width: int
    codes: int
    samples: int
    seconds: Seconds
    extra_bytes: int
    dtype: str
    seed: int


def our_options(samples: int) -> dict[str, dict[str, Any]]:
    """Returns the options of our systems by name."""
    return {
        HARD: {"vq_assign": "hard"},
        "soft, M = 1": {"vq_num_samples": 1},
        f"soft, M = {samples}": {"vq_num_samples": samples},
        "soft, exact": {"vq_num_samples": 0},
        "hard, gradient": {"vq_assign": "hard", "vq_update": "gradient"},
    }


def system_names(samples: int, members: bool = False) -> list[str]:
    """Lists what is measured, the baseline first."""
    return bottleneck_members.names() if members else [BASELINE, *our_options(samples)]


def build_step(name: str, args: argparse.Namespace) -> Callable[[torch.Tensor], object]:
    """Builds a system; what it returns takes vectors (1, N, C) and makes a step."""
    torch.manual_seed(SEED)
    if args.members:
        require_rival()
        return bottleneck_members.build_step(name, args)
    if name == BASELINE:
        return theirs(args).train().to(args.device)
    config = BottleneckConfig(
        vq_num_codes=args.codes,
        vq_decay=DECAY,
        vq_epsilon=EPSILON,
        vq_commitment=COMMITMENT,
        **our_options(args.samples)[name],
    )
    bottleneck = build_bottleneck(config, args.width).train().to(args.device)

    def step(z: torch.Tensor) -> object:
        out = bottleneck(z)
        bottleneck.m_step()
        return out

    return step


def require_rival() -> None:
    """Ends with a sentence where there is nothing to compare with."""
    try:
        import vector_quantize_pytorch  # noqa: F401
    except ImportError:
        raise SystemExit(
            "error: the package vector-quantize-pytorch must be installed to compare "
            "with it, but is not; `pip install -e '.[bench]'` does so."
        ) from None


def theirs(args: argparse.Namespace) -> torch.nn.Module:
    """Builds vector-quantize-pytorch's quantizer, without its further features."""
    require_rival()
    from vector_quantize_pytorch import VectorQuantize

    return VectorQuantize(
        dim=args.width,
        codebook_size=args.codes,
        decay=DECAY,
        eps=EPSILON,
        commitment_weight=COMMITMENT,
        kmeans_init=False,
        threshold_ema_dead_code=0,
        rotation_trick=False,
    )


def make_vectors(count: int, args: argparse.Namespace) -> torch.Tensor:
    """Draws vectors as long as codes: the posterior is broad, and draws differ.

    Shape:
        (1, count, C).
    """
    generator = torch.Generator().manual_seed(SEED)
    vectors = torch.randn(1, count, args.width, generator=generator)
    return (vectors / args.width**0.5).to(args.device)


# -------------------------------------------------------------------------------- time


def measure_times(names: list[str], args: argparse.Namespace) -> dict[str, list[float]]:
    """Times all systems in turns, after one untimed step each. Seconds."""
    z, wait = make_vectors(args.n, args), timing.synchronizer(args.device)
    steps = {name: build_step(name, args) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(args.repeats + 1):
        for name, step in steps.items():
            taken = timing.seconds(lambda step=step: step(z), wait)  # type: ignore[misc]
            if turn > 0:
                times[name].append(taken)
    return times


# ------------------------------------------------------------------------------ memory


def measure_memory(name: str, args: argparse.Namespace) -> int:
    """Returns the peak of a step's extra memory in bytes."""
    if args.device.startswith("cuda"):
        return extra_on_gpu(name, args)
    command = [sys.executable, __file__, "--memory-of", name]
    for option in ("n", "width", "codes", "samples", "threads"):
        command += [f"--{option}", str(getattr(args, option))]
    command += ["--members"] * args.members
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode != 0:
        raise SystemExit(f"error: weighing {name} failed:\n{done.stderr}")
    return int(done.stdout.split()[-1])


def extra_on_gpu(name: str, args: argparse.Namespace) -> int:
    """Asks the allocator."""
    z, step = make_vectors(args.n, args), build_step(name, args)
    step(z)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(z)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def extra_on_cpu(name: str, args: argparse.Namespace) -> int:
    """Asks Linux for the resident set; meant for a fresh process."""
    z, step = make_vectors(args.n, args), build_step(name, args)
    step(z[:, :64])  # loads and allocates what the libraries keep for themselves
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    step(z)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Reads a figure of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise SystemExit(f"error: /proc/self/status must have {field}, but has not.")


# -------------------------------------------------------------------------------- rows


def measure(args: argparse.Namespace) -> list[Cost]:
    """Measures all systems and returns their rows."""
    names = system_names(args.samples, args.members)
    with timing.pinned_threads(args.threads):
        times = measure_times(names, args)
    rows: list[Cost] = []
    for name in names:
        rows.append(
            {
                "kind": KINDS[args.members],
                "system": name,
                "vectors": args.n,
                "width": args.width,
                "codes": args.codes,
                "samples": args.samples,
                "seconds": {
                    "median": round(median(times[name]), 5),
                    "all": [round(taken, 5) for taken in times[name]],
                },
                "extra_bytes": measure_memory(name, args),
                "dtype": "float32",
                **machine(args),
                "seed": SEED,
            }
        )
        print(f"measured: {name}", file=sys.stderr, flush=True)
    return rows


def machine(args: argparse.Namespace) -> Machine:
    """Names the device, the versions and the commit."""
    described = describe_machine(
        args.device, args.threads, ("python", "torch", "vq_nat")
    )
    described["versions"][BASELINE] = importlib.metadata.version(BASELINE)
    return described


def folder_of(rows: list[Cost], results: Path) -> Path:
    """Returns where rows that compare with each other are kept."""
    first = rows[0]
    machine = "cpu" if first["device"] == "cpu" else "cuda"
    if machine == "cpu":
        machine += f"-{first['threads']}-threads"
    return results / (machine + "-members" * (first["kind"] == KINDS[1]))


def file_name(system: str) -> str:
    """Turns `soft, M = 10` into `soft-m10.json`."""
    words = system.lower().replace(" = ", "").replace(", ", "-").replace(": ", "-")
    return f"{words.replace(' ', '-')}.json"


def load_rows(folder: Path, like: Cost) -> list[Cost]:
    """Reads the rows of one machine, of the sizes of a row, the baseline first."""
    read = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    rows = [row for row in read if all(row[name] == like[name] for name in SIZES)]
    return sorted(rows, key=lambda row: (row["system"] != BASELINE, row["system"]))


# ------------------------------------------------------------------------------- table


def table(rows: list[Cost]) -> str:
    """Returns the Markdown table of rows that compare with each other."""
    if rows[0]["kind"] == KINDS[1]:
        return bottleneck_members.table(rows) + "\n\n" + notes(rows)
    by_name = {row["system"]: row for row in rows}

    def ratio(to: str) -> Callable[[Cost], str]:
        def cell(row: Cost) -> str:
            if to not in by_name:
                return report.NOTHING
            taken = row["seconds"]["median"] / by_name[to]["seconds"]["median"]
            return f"{taken:.2f}"

        return cell

    columns: list[report.Column[Cost]] = [
        ("system", lambda row: row["system"]),
        ("ms a step", lambda row: f"{1000 * row['seconds']['median']:.1f}"),
        (f"× {BASELINE}", ratio(BASELINE)),
        ("× hard", ratio(HARD)),
        ("extra MiB", lambda row: f"{row['extra_bytes'] / 2**20:.0f}"),
        ("in N·K floats", lambda row: f"{in_distances(row):.2f}"),
    ]
    return report.markdown(columns, rows) + "\n\n" + notes(rows)


def in_distances(row: Cost) -> float:
    """Expresses the extra memory in matrices of all distances."""
    return row["extra_bytes"] / (4 * row["vectors"] * row["codes"])


def notes(rows: list[Cost]) -> str:
    """Says what was measured, and on what."""
    first = rows[0]
    what = "forward and backward" if first["kind"] == KINDS[1] else "forward"
    return "\n".join(
        [
            f"- A step: {what} in training mode and M-step; N = {first['vectors']:,} "
            f"vectors, C = {first['width']}, K = {first['codes']:,}; median of "
            f"{len(first['seconds']['all'])}, the systems taking turns.",
            "- Extra memory: the peak of a step above what was there before it; the "
            "(N, G, K) weights that ours returns are part of it.",
            f"- {report.made_on(rows, 'dtype')}",
        ]
    )


# -------------------------------------------------------------------------------- main


def build_parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--n", type=int, default=16384, help="vectors of a batch, N")
    add("--width", type=int, default=512, help="width of the vectors, C")
    add("--codes", type=int, default=4096, help="codes, K")
    add("--samples", type=int, default=10, help="samples of the soft E-step, M")
    add("--threads", type=int, default=2, help="CPU threads")
    add("--device", default="cpu", help="cpu, cuda or cuda:N")
    add("--repeats", type=int, default=5, help="timed steps of each system")
    add(
        "--results",
        type=Path,
        default=ROOT / "examples" / "results" / "bottleneck",
        help="folder for the rows",
    )
    add("--members", action="store_true", help="the whole family, backward as well")
    add("--memory-of", help=argparse.SUPPRESS)  # for the fresh processes
    return parser


def check(args: argparse.Namespace) -> None:
    """Refuses what cannot be measured."""
    for name in ("n", "width", "samples", "threads", "repeats"):
        value = getattr(args, name)
        if value < 1:
            raise SystemExit(f"error: --{name} must be at least 1, but is {value}.")
    if args.codes < 2:
        raise SystemExit(f"error: --codes must be at least 2, but is {args.codes}.")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(f"error: the device {args.device} must exist, but does not.")


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = build_parser().parse_args(argv)
    check(args)
    warnings.simplefilter("ignore")  # of imports, which no user can heed
    if args.memory_of:
        torch.set_num_threads(args.threads)
        print(extra_on_cpu(args.memory_of, args))
        return
    rows = measure(args)
    folder = folder_of(rows, args.results)
    for row in rows:
        write_json(row, folder / file_name(row["system"]))
    text = table(load_rows(folder, rows[0]))
    (folder / "bottleneck.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
