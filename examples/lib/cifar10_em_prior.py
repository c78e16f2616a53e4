"""Owns the learned priors of the comparison: one for each training, on frozen codes.

A prior has a row of its own in `priors/` beside the row of its training, so that it can
be added later, or left out; the report joins the two if they are of the same weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from data_prep.lib.steps import UserError
from examples.lib import experiment
from examples.lib.cifar10_em_rows import EMRow, PriorRow
from examples.lib.trainings import call_fairseq_train, make_ready
from vq_nat.bench.conditions import Conditions
from vq_nat.bench.images import code_nats, nats_per_bit_per_dim
from vq_nat.bench.machine import describe_machine
from vq_nat.results.training_log import read_log
from vq_nat.writing import json_or_none

RECIPE_VERSION = 1  # raise when a row changes for the same flags


class PriorPlan(NamedTuple):
    """What to train a prior on, and where; the same for all of them."""

    data: Path
    work: Path
    results: Path
    preset: dict[str, Any]  # the section `prior`
    threads: int
    device: str
    jobs: int = 1

    def path(self, name: str) -> Path:
        """Of the row of a training's prior."""
        return self.results / "priors" / f"{name}.json"


def options_of(plan: PriorPlan, autoencoder: Path, seed: int) -> dict[str, Any]:
    """Returns fairseq's flags of a prior's training."""
    updates = plan.preset["updates"]
    every = max(1, updates // plan.preset["points"])
    return {
        "task": "image_codes",
        "autoencoder": autoencoder,
        **plan.preset["train"],
        "warmup-updates": round(updates * plan.preset["warmup"]),
        "total-num-update": updates,
        "max-update": updates,
        "seed": seed,
        "validate-interval-updates": every,
        "save-interval-updates": every,
        "keep-interval-updates": 1,
    }


def train(
    plan: PriorPlan, name: str, row: EMRow, inputs: dict[str, str]
) -> tuple[PriorRow, str]:
    """Returns the row of a training's prior, trained only if there is none yet.

    Args:
        plan: data, folders, flags.
        name: of the training.
        row: of the training.
        inputs: hashes of the data.

    Raises:
        UserError: if the autoencoder is gone, or is not that of the row.
    """
    autoencoder = plan.work / name / "checkpoint_last.pt"
    options = options_of(plan, autoencoder, row["seed"])
    recipe = {
        "version": RECIPE_VERSION,
        "flags": {k: v for k, v in options.items() if k != "autoencoder"},
        "inputs": inputs,
        "fingerprint": row["fingerprint"],
    }

    def make() -> PriorRow:
        if not autoencoder.is_file():
            raise UserError(
                f"{autoencoder} must be there to train a prior of its codes, but is "
                "not; remove its row to train it again, or give --no-prior."
            )
        folder = plan.work / f"{name}-prior"
        make_ready(folder, recipe)
        command = call_fairseq_train(plan.data, folder, options)
        log = folder / "train.log"
        shown = folder.name if plan.jobs > 1 else ""
        experiment.train(
            command,
            log,
            updates=plan.preset["updates"],
            threads=plan.threads,
            device=plan.device,
            name=shown,
        )
        return make_row(plan, row, autoencoder, folder)

    stamp = plan.work / ".done" / f"{name}-prior.json"
    return experiment.made_once(plan.path(name), stamp, recipe, make)


def make_row(plan: PriorPlan, row: EMRow, autoencoder: Path, folder: Path) -> PriorRow:
    """Measures a prior on the test set.

    Raises:
        UserError: if the autoencoder is not that of the row.
    """
    from vq_nat.image import open_images
    from vq_nat.image.checkpoints import fingerprint, load_autoencoder, load_prior
    from vq_nat.image.codes import encode_images

    model = load_autoencoder(autoencoder, plan.device)
    if fingerprint(model) != row["fingerprint"]:
        raise UserError(
            f"{autoencoder} must be the model of its row, but has other weights; "
            "remove the row to train it again."
        )
    prior = load_prior(folder / "checkpoint_last.pt", model, plan.device)
    conditions = Conditions(plan.device, plan.threads, batch_size=100)
    codes = encode_images(model, open_images(plan.data, "test"), 100, plan.device)
    nats = float(code_nats(prior, codes, conditions).mean())
    return {
        "kind": "cifar10_em_prior",
        "setting": row["setting"],
        "seed": row["seed"],
        "fingerprint": row["fingerprint"],
        "bits_per_dim": round(nats / nats_per_bit_per_dim(model), 5),
        "parameters": sum(p.numel() for p in prior.parameters()),
        "updates": plan.preset["updates"],
        "train_seconds": round(read_log(folder / "train.log").seconds),
        **describe_machine(conditions.device, conditions.threads),
    }


def joined(row: EMRow, path: Path) -> EMRow:
    """Adds a prior's figures to the row of its training.

    Args:
        row: of the training.
        path: of the prior's row, which may be missing or of other weights.
    """
    prior: PriorRow | None = json_or_none(path)
    if not prior or prior["fingerprint"] != row.get("fingerprint"):
        return row
    bits, known = prior["bits_per_dim"], row["bits_per_dim"]
    return {
        **row,
        "bits_per_dim": {
            **known,
            "prior_learned": bits,
            "total_learned": round(known["reconstruction"] + bits, 5),
        },
        "prior": {
            "parameters": prior["parameters"],
            "updates": prior["updates"],
            "train_seconds": prior["train_seconds"],
        },
    }
