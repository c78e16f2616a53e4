"""fairseq's own commands, run in this process as a user runs them in a shell."""

import importlib
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import torch
from fairseq import checkpoint_utils
from warm_python import warm_python

import vq_nat

USER_DIR = str(Path(vq_nat.__file__).parent)
WORKER = Path(__file__).with_name("torchrun_worker.py")

STUDENT = [
    *("--arch", "vq_em_transformer_tiny", "--criterion", "latent_prediction"),
    *("--encoder-embed-dim", "32", "--encoder-ffn-embed-dim", "64"),
    *("--vq-num-codes", "16", "--vq-warmup-updates", "0", "--vq-init", "random"),
    *("--latent-share-updates", "0", "--compression-steps", "2"),
]
TEACHER = [
    *("--arch", "transformer", "--criterion", "label_smoothed_cross_entropy"),
    *("--encoder-embed-dim", "32", "--decoder-embed-dim", "32"),
    *("--encoder-ffn-embed-dim", "64", "--decoder-ffn-embed-dim", "64"),
    *("--encoder-layers", "2", "--decoder-layers", "2"),
    *("--encoder-attention-heads", "4", "--decoder-attention-heads", "4"),
    *("--encoder-normalize-before", "--decoder-normalize-before"),
    "--share-all-embeddings",
]
OPTIMIZER = [
    *("--optimizer", "adam", "--lr", "0.002", "--clip-norm", "1.0"),
    *("--max-tokens", "500", "--num-workers", "0", "--seed", "1"),
]


def call(command: str, arguments: list[str]) -> str:
    """Runs `fairseq-{command}` and returns what it prints to stdout."""
    module = importlib.import_module(f"fairseq_cli.{command}")
    # fairseq keeps the best score of a training for the next one in the same process.
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    old, sys.argv = sys.argv, [f"fairseq-{command}", *arguments]
    printed = io.StringIO()
    try:
        # fairseq-validate removes every other handler of the log, pytest's among them.
        with (
            redirect_stdout(printed),
            mock.patch.object(module, "reset_logging", create=True),
        ):
            module.cli_main()
    finally:
        sys.argv = old
    return printed.getvalue()


def train_together(folder: Path, arguments: list[str]) -> list[dict[str, torch.Tensor]]:
    """Runs fairseq-train in two workers, and returns the weights that each ends with.

    Args:
        folder: for checkpoints; it is made.
        arguments: of fairseq-train, but for the folder.
    """
    folder.mkdir()
    run = [warm_python(), "-m", "torch.distributed.run", "--standalone"]
    run += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    run += [
        "--no-python",
        warm_python(),
        str(WORKER),
        str(folder),
        *arguments,
        "--save-dir",
        str(folder),
    ]
    run += ["--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp"]
    run += ["--distributed-world-size", "2"]
    env = {**os.environ, "PYTHONPATH": str(Path(USER_DIR).parent)}
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(run, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def task(data: Path) -> list[str]:
    """The arguments every command shares."""
    return [
        *(str(data), "--user-dir", USER_DIR),
        *("--task", "discrete_latent_translation", "-s", "en", "-t", "de"),
        "--cpu",
    ]
