"""Says where a figure was measured: the processor, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import nn

from .. import __version__
from ..results.rows import Calibration, Machine
from ..results.versions import distribution_version
from .timing import pinned_threads, seconds

CPU_INFO = Path("/proc/cpuinfo")
# Of a CPU, by the flags that Linux shows; the best of them names it.
INSTRUCTIONS = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512 with bfloat16",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}
PACKAGE = Path(__file__).resolve().parents[1]
# Changed files that no figure depends on do not make a commit "dirty".
NO_CODE = (":(exclude)examples/results", ":(exclude)*.md")


def describe_machine(
    device: str, threads: int, packages: Sequence[str] = ()
) -> Machine:
    """Names the device, the versions and the commit.

    Args:
        device: that computes.
        threads: of the CPU.
        packages: whose versions matter; none = all that `versions` names.
    """
    known = versions()
    return {
        "device": device,
        "processor": processor(device),
        "threads": threads,
        "versions": {name: known[name] for name in packages or known},
        "commit": commit(),
    }


def processor(device: str) -> str:
    """Returns the name of the processor that does the work."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        text = CPU_INFO.read_text(encoding="utf-8")
    except OSError:  # not a Linux
        text = ""
    return cpu_name(text) or platform.processor() or platform.machine()


def cpu_name(text: str) -> str:
    """Returns the name of a CPU and what it multiplies with; nothing if unknown.

    Rented machines of different generations and speeds are called alike, "Intel(R)
    Xeon(R) Processor".

    Args:
        text: what Linux says of it in /proc/cpuinfo.
    """
    lines = [line.partition(":") for line in text.splitlines()]
    facts = {key.strip(): value.strip() for key, _, value in lines}
    name, flags = facts.get("model name", ""), facts.get("flags", "").split()
    widest = next((word for flag, word in INSTRUCTIONS.items() if flag in flags), "")
    return f"{name} ({widest})" if name and widest else name


def calibrate(repeats: int = 9) -> Calibration:
    """Times small computations, always the same, on one thread of this CPU.

    A processor's name does not say who else uses it. If these times differ much between
    two measurements, other times may differ as well, but not by the same factor: a busy
    neighbour slows many small operators by half, and large products not at all.

    Returns:
        Milliseconds of some products, and of a Transformer layer at batch size 1; and
        the machine's `load`, the processes that wanted to run in the last minute.
    """
    matrix = torch.linspace(-1, 1, 512 * 512).view(512, 512)
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True).train()
    words = torch.zeros(1, 16, 256)

    def products() -> None:
        for _ in range(4):
            matrix @ matrix

    def operators() -> None:
        for _ in range(10):
            layer(words)

    def time(work: Callable[[], None]) -> float:
        return round(1000 * median(seconds(work) for _ in range(repeats)), 3)

    with pinned_threads(1), torch.no_grad():
        return {
            "products_ms": time(products),
            "operators_ms": time(operators),
            "load": round(os.getloadavg()[0], 2),
        }


def gain_of_threads(threads: int, *, repeats: int = 5) -> float:
    """Tells how many times as fast products are on several threads as on one.

    Where others use the cores, threads wait for each other, and a runtime is ten times
    slower instead of faster: such a time says something of the scheduler, and nothing
    of the system.
    """
    matrix = torch.linspace(-1, 1, 1024 * 1024).view(1024, 1024)
    times = []
    for count in (1, threads):
        with pinned_threads(count), torch.no_grad():
            times.append(min(seconds(lambda: matrix @ matrix) for _ in range(repeats)))
    return times[0] / times[1]


def resident_bytes() -> int:
    """Returns the memory this process holds now, 0 where it cannot be told."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:  # not a Linux
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def versions() -> dict[str, str]:
    """Returns the versions that may change a figure."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fairseq": distribution_version("fairseq-fixed", "fairseq"),
        "sacrebleu": distribution_version("sacrebleu"),
        "vq_nat": __version__,
    }


def commit(package: Path = PACKAGE) -> str:
    """Returns the commit of the code, "-dirty" after it if changed, or "unknown"."""
    root = git(package.parent, "rev-parse", "--show-toplevel")
    head = git(package.parent, "rev-parse", "--short=12", "HEAD")
    if not root or not head or Path(root).resolve() != package.parent.resolve():
        return "unknown"
    changes = git(package.parent, "status", "--porcelain", "-uno", "--", ".", *NO_CODE)
    return f"{head}-dirty" if changes else head


def git(folder: Path, *arguments: str) -> str:
    """Returns what git says, nothing if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True
        )
    except OSError:  # no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
