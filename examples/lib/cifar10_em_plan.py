"""Owns what the comparison of EM on images trains: settings, flags, its preset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.lib.options import number_of, read_yaml
from data_prep.lib.steps import UserError
from examples.lib import cifar10_em_members, cifar10_em_prior

SECTIONS = (
    *("images", "updates", "points", "warmup", "unquantised"),
    *("train", "slices", "prior"),
)
VECTORS = 8 * 8 / (3 * 32 * 32)  # of the bottleneck, per intensity of an image


class Setting(NamedTuple):
    """What differs between trainings."""

    label: str
    flags: dict[str, Any]
    sliced: bool = False


SETTINGS = {
    "gradient": Setting(
        "VQ-VAE, gradient loss", {"vq-assign": "hard", "vq-update": "gradient"}
    ),
    "hard": Setting("VQ-VAE, EMA (hard EM)", {"vq-assign": "hard"}),
    "soft-5": Setting("soft EM, M = 5", {"vq-assign": "soft", "vq-num-samples": 5}),
    "soft-10": Setting("soft EM, M = 10", {"vq-assign": "soft", "vq-num-samples": 10}),
    "soft-exact": Setting("soft EM, exact", {"vq-assign": "soft", "vq-num-samples": 0}),
    "slices": Setting(
        "soft EM, M = 10, product quantization",
        {"vq-assign": "soft", "vq-num-samples": 10},
        sliced=True,
    ),
}
LABELS = {name: setting.label for name, setting in SETTINGS.items()}
LABELS |= cifar10_em_members.LABELS


@dataclass(frozen=True)
class ComparisonPlan:
    """What to train, and where."""

    data: Path
    work: Path
    results: Path
    preset: dict[str, Any]
    updates: int
    settings: list[str]
    seeds: list[int]
    threads: int
    device: str
    learns_prior: bool = True
    jobs: int = 1  # trainings side by side

    @property
    def prior(self) -> cifar10_em_prior.PriorPlan:
        """How the priors are trained."""
        return cifar10_em_prior.PriorPlan(
            self.data,
            self.work,
            self.results,
            self.preset["prior"],
            self.threads,
            self.device,
            self.jobs,
        )


@dataclass(frozen=True)
class Run:
    """One training."""

    setting: str
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.setting}-seed{self.seed}"


def runs_of(plan: ComparisonPlan) -> Iterator[Run]:
    """Yields all trainings, a seed of everything before the next seed of anything."""
    for seed, setting in itertools.product(plan.seeds, plan.settings):
        yield Run(setting, seed)


def options_of(plan: ComparisonPlan, run: Run) -> dict[str, Any]:
    """Returns fairseq's flags of a training."""
    preset = plan.preset
    every = max(1, plan.updates // preset["points"])
    return {
        "task": "image_vqvae",
        "autocast": "auto",
        **preset["train"],
        **flags_of(plan, run.setting),
        "vq-warmup-updates": round(plan.updates * preset["unquantised"]),
        "warmup-updates": round(plan.updates * preset["warmup"]),
        "total-num-update": plan.updates,
        "max-update": plan.updates,
        "seed": run.seed,
        # ---- validation, and checkpoints to go on from
        "validate-interval-updates": every,
        "save-interval-updates": every,
        "keep-interval-updates": 1,
        "best-checkpoint-metric": "bits_per_dim",
    }


def flags_of(plan: ComparisonPlan, name: str) -> dict[str, Any]:
    """Returns the flags that are a setting's own."""
    if name in cifar10_em_members.LABELS:
        codes = plan.preset["train"]["vq-num-codes"]
        return cifar10_em_members.flags_of(
            name, codes=codes, updates=plan.updates, vectors=VECTORS
        )
    setting = SETTINGS[name]
    return {**(plan.preset["slices"] if setting.sliced else {}), **setting.flags}


def read_preset(path: Path) -> dict[str, Any]:
    """Reads a preset.

    Raises:
        UserError: if it is none.
    """
    preset = read_yaml(path)
    missing = [
        name for name in SECTIONS if not isinstance(preset, dict) or name not in preset
    ]
    if missing:
        raise UserError(f"The preset {path} must have `{missing[0]}`, but has not.")
    prior, where = preset.get("prior") or {}, f"the preset {path}"
    for name, keys in (("train", preset), ("slices", preset), ("train", prior)):
        if not isinstance(prior, dict) or not isinstance(keys.get(name, {}), dict):
            raise UserError(f"`{name}` and `prior` of {where} must hold keys.")
    for keys in (preset, prior):
        for name in ("updates", "points"):
            if name in keys:
                number_of(keys, name, 1, where)
    return preset
