r"""How many requests a second does the service answer, and how long do they wait?

    python examples/bench_serve.py runs/demo/student-int8 \
        --sentences runs/demo/corpus/raw/test.en --out serve.json

starts `vq-nat serve` and asks it for one sentence at a time over connections that stay
open, each client its next one when it has the last: one client; many at once; and many
while the service decodes one sentence at a time. The clients run in this process, with
as little work as they can; with few cores they share them with the service.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any, TypedDict, cast

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.lib.http_clients import load, translation_request
from examples.lib.http_service import Service
from examples.lib.scripts import positive, refusals
from vq_nat.bench.machine import calibrate, describe_machine
from vq_nat.files import read_json
from vq_nat.results.rows import Calibration, Machine
from vq_nat.text.lines import read_lines
from vq_nat.writing import write_json


class Load(TypedDict):
    """What clients that ask at the same time see."""

    clients: int
    options: str  # of the service
    requests: int
    seconds: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    sentences_per_batch: float


class ServeRow(Machine):
    """Of one model, by the way in which it is asked."""

    kind: str
    calibration: Calibration
    packages: dict[str, str]
    model: dict[str, Any]  # its description
    sentences: int
    modes: dict[str, Load]


ONE_BY_ONE = ("--batch-size", "1", "--window", "0")
PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, help="a folder that `vq-nat export` wrote")
    add("--sentences", type=Path, required=True, help="raw text, a sentence a line")
    add("--clients", type=positive, default=64, help="at once (default: 64)")
    add("--seconds", type=float, default=10.0, help="of each load (default: 10)")
    add("--warm-up", type=float, default=1.0, help="seconds before (default: 1)")
    add("--threads", type=positive, default=1, help="of the engine (default: 1)")
    add("--window", default="2", help="milliseconds, see `vq-nat serve` (default: 2)")
    add("--out", type=Path, help="where the row goes")
    return parser.parse_args(arguments)


def measure(
    options: argparse.Namespace, requests: list[bytes], clients: int, *bounds: str
) -> Load:
    """Starts a service, loads it, and returns a mode's figures."""
    threads = ("--threads", str(options.threads))
    with Service(options.model, *threads, *bounds) as service:
        times = (options.warm_up, options.seconds)
        loaded = asyncio.run(load(service.port, requests, clients, *times))
        asked = {"clients": clients, "options": " ".join(bounds)}
        batch = {"sentences_per_batch": service.mean_batch()}
        return cast(Load, {**asked, **loaded.summary(), **batch})


def main(arguments: list[str] | None = None) -> None:
    """Measures, prints a line each, and writes the row."""
    options = parse(arguments)
    sentences = [line for line in read_lines(options.sentences) if line.strip()]
    description = read_json(options.model / "description.json", "an exported model")
    source, target = description["languages"]
    requests = [translation_request(one, source, target) for one in sentences]
    window = ("--window", options.window)
    modes = {
        "one client": (1, window),
        f"{options.clients} clients, batches": (options.clients, window),
        f"{options.clients} clients, one at a time": (options.clients, ONE_BY_ONE),
    }
    figures = {}
    for name, (clients, bounds) in modes.items():
        figure = figures[name] = measure(options, requests, clients, *bounds)
        print(
            f"{name}: {figure['requests_per_s']:,.0f} requests/s, p50 "
            f"{figure['p50_ms']:.2f} ms, p99 {figure['p99_ms']:.2f} ms, "
            f"{figure['sentences_per_batch']:.1f} sentences a batch",
            flush=True,
        )
    if options.out is not None:
        row: ServeRow = {
            "kind": "serve",
            **describe_machine("cpu", options.threads),
            "calibration": calibrate(),
            "packages": installed(PACKAGES),
            "model": {k: v for k, v in description.items() if k != "files"},
            "sentences": len(sentences),
            "modes": figures,
        }
        print(write_json(row, options.out))


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Returns the versions of packages; those that are missing are left out."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


if __name__ == "__main__":
    with refusals():
        main()
