"""A service in a process of its own, for a measurement."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from vq_nat.processes import command_group

ROOT = Path(__file__).resolve().parents[2]


class Service:
    """`vq-nat serve` on a port that is free, while the context lasts.

    Args:
        model: an exported folder.
        *options: of the command.
    """

    def __init__(self, model: Path, *options: str) -> None:
        command = [sys.executable, "-m", "vq_nat.cli", "serve", str(model)]
        self._group = command_group(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.process = self._group.__enter__()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.end()
            raise RuntimeError("the service must begin, but has ended instead.")
        self.address = line.split()[-1]
        self.port = int(self.address.rstrip("/").rpartition(":")[2])

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process."""
        self._group.__exit__(None, None, None)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def figures(self) -> dict[str, float]:
        """Returns the service's own figures, by name and labels."""
        with urlopen(f"{self.address}metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def mean_batch(self) -> float:
        """Returns how many sentences were decoded together, in the mean."""
        figures = self.figures()
        count = figures["vq_nat_batch_sentences_count"]
        return round(figures["vq_nat_batch_sentences_sum"] / max(1, count), 2)
