"""Which model goes on from which: chains of trainings, none of which may close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from data_prep.lib.steps import UserError
from data_prep.lib.typed import require_one_of
from examples.lib.trainings import START

if TYPE_CHECKING:
    from .config import Model, Table


def chain_of(models: Mapping[str, Model], name: str) -> list[str]:
    """Returns the models that one goes on from, the one that is trained first first."""
    chain: list[str] = []
    start = models[name].start
    while start is not None and start in models and start not in (name, *chain):
        chain.insert(0, start)
        start = models[start].start
    return chain


def refuse_wrong_starts(table: Table) -> None:
    """Refuses a model that goes on from none, from itself, or without saying how.

    Raises:
        UserError: naming it.
    """
    for model in table.models.values():
        named = START in model.flags.values()
        if named != (model.start is not None):
            raise UserError(
                f"The model `{model.name}` must have both `start` and a flag that is "
                f"{START}, or neither, but has one of them."
            )
        if model.start is None:
            continue
        what = f"`start` of the model `{model.name}`"
        others = [
            name
            for name in table.models
            if model.name not in (name, *chain_of(table.models, name))
        ]
        require_one_of(what, model.start, others)
        own: list[int | None] = [*model.seeds] or [None]  # the one among the flags
        known = table.models[model.start].seeds
        for seed in own if known else []:
            require_one_of(f"A seed of {what}", seed, known)


def seed_of_start(table: Table, model: Model, seed: int | None) -> int | None:
    """Returns which seed of another model a training goes on from."""
    listed = model.start is not None and table.models[model.start].seeds
    return seed if listed else None
