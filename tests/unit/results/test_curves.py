"""Training curves of a log: few points, each update once."""

import json
from pathlib import Path

from vq_nat.results.curves import read_curves, thin


def log_line(kind: str, updates: int, **values: float) -> str:
    """Writes a line as fairseq-train does."""
    prefix = {"train_inner": "", "valid": "valid_"}[kind]
    known = {"num_updates": updates, **values}
    entry = {f"{prefix}{name}": str(value) for name, value in known.items()}
    return f"2026-01-01 00:00:00 | INFO | {kind} | {json.dumps(entry)}\n"


def test_curves_are_thin_and_know_of_repetitions(tmp_path: Path) -> None:
    lines = [
        log_line("train_inner", n, loss=n / 10, lr=1.0) for n in range(10, 1010, 10)
    ]
    lines.insert(51, log_line("train_inner", 500, loss=99.0))
    lines += [log_line("valid", 500, bleu=3.0), log_line("train_inner", 20, loss=7.0)]
    log = tmp_path / "train.log"
    log.write_text("".join(lines))
    curves = read_curves(log)
    training = curves["training"]
    assert len(training) == 40
    assert training[-1] == {"updates": 1000, "loss": 99.5}  # the mean of two
    assert training[0] == {"updates": 20, "loss": 4.0}  # of update 10, and 20 as later
    assert curves["validation"] == [{"updates": 500, "bleu": 3.0}]
    assert [point["updates"] for point in training] == sorted(
        point["updates"] for point in training
    )
    assert thin(training) == training
