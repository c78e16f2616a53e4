"""Owns the tables' YAML files: reading, inheritance, and what may stand in them.

A file may name others as its `base`: their keys count unless they stand in the file,
mapping by mapping; `null` takes a key away. In the same way a recipe may name another
recipe, a model another model, and a row another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from data_prep.lib.options import number_of
from data_prep.lib.steps import UserError, hash_of
from data_prep.lib.typed import Least, read_as, require_one_of
from data_prep.train_teacher import find_preset, read_preset
from examples.lib.layers import (
    Keys,
    as_list,
    check_sections,
    inherit,
    overlay,
    read_layers,
    settled,
)
from examples.lib.trainings import TEACHER as CHECKPOINT_OF_TEACHER
from examples.paper_table.starts import chain_of, refuse_wrong_starts, seed_of_start
from vq_nat.bench.conditions import Clock, Conditions
from vq_nat.files import reading

PRESETS = Path(__file__).resolve().parents[2] / "data_prep" / "presets"
CONFIG_VERSION = 1  # raise when a row changes for the same configuration
TEACHER = "teacher"  # the name of the model that teaches, and of its recipe
HUMAN = "human"  # the text of people
NEED_REFERENCES = ("true_codes", "true_latents")  # options of decoding
NEEDED = {
    "corpus": ("name", "kind", "bpe-operations", "test-sets"),
    "teacher": ("max-update",),
    "distill": (),
    "student": ("max-update",),
    "measure": (),
    "models": (),
    "rows": (),
}
Text = Literal["human", "distilled", "distilled-mono"]
Engine = Literal["torch", "onnx", "ctranslate2", "vq-nat"]
Checkpoint = Literal["best", "last", "average"]
Whole = Annotated[int, Least(0)]
TEXTS = get_args(Text)


@dataclass(frozen=True)
class Measuring(Conditions):
    """How the rows of a table are measured.

    Attributes:
        cpu_clocks: whether the CPU is timed beside another device.
        in_turn: rows that all others are timed beside, sentence by sentence.
    """

    threads: Annotated[int, Least(1)] = 1
    cpu_clocks: bool = True
    in_turn: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelKeys:
    """What a file says of a model, besides its changes of the recipe (`set`)."""

    recipe: str
    text: Text = "human"
    seeds: tuple[int, ...] = ()
    checkpoint: Checkpoint | None = None
    average: Whole | None = None
    start: str | None = None


@dataclass(frozen=True)
class Model:
    """What is trained: the flags of fairseq-train, and on which text."""

    name: str
    flags: Keys
    text: Text = "human"
    seeds: tuple[int, ...] = ()  # none: the one among the flags
    checkpoint: Checkpoint = "best"
    average: int = 0  # number of checkpoints
    start: str | None = None  # goes on from: seed by seed, if that lists seeds

    @property
    def updates(self) -> int:
        """How long it trains."""
        return int(self.flags["max-update"])

    @property
    def starts_from_teacher(self) -> bool:
        """Whether a flag names the teacher's checkpoint."""
        return CHECKPOINT_OF_TEACHER in self.flags.values()

    @property
    def is_taught(self) -> bool:
        """Whether its training needs the teacher: its weights, or its translations."""
        return self.text != HUMAN or self.starts_from_teacher

    @property
    def judges(self) -> bool:
        """Whether others may decode with it: one model, which writes word for word."""
        word_for_word = str(self.flags.get("arch", "")).startswith("transformer")
        return self.name == TEACHER or (word_for_word and not self.seeds)

    @property
    def is_ours(self) -> bool:
        """Whether it is a latent model whose codes are learned by EM, or words."""
        return self.has_codes and self.flags.get("vq-kind", "vq") in ("vq", "words")

    @property
    def has_codes(self) -> bool:
        """Whether it is a latent model with any codes."""
        latent = str(self.flags.get("arch", "")).startswith("vq_em_transformer")
        return latent and self.flags.get("vq-kind") not in ("none", "identity")

    def flags_of(self, seed: int | None) -> Keys:
        """Returns the flags of one training."""
        return self.flags if seed is None else {**self.flags, "seed": seed}


@dataclass(frozen=True)
class PaperFigures:
    """What the paper says of a row."""

    bleu: float | None = None
    latency_ms: float | None = None
    speedup: float | None = None


@dataclass(frozen=True)
class RowSpec:
    """One line of the table: a model and how it decodes."""

    name: str
    group: str
    label: str
    model: str
    engine: Engine = "torch"
    decoding: Keys = field(default_factory=dict)
    paper: Keys = field(default_factory=dict)  # its figures
    note: str = ""
    seeds: tuple[int, ...] = ()  # some of the model's; none: all
    clocks: tuple[Clock, ...] | None = None  # fewer than the others have; None: those

    @property
    def needs_references(self) -> bool:
        """Whether it is no system, as it knows the answer; its times mean nothing."""
        return any(self.decoding.get(name) for name in NEED_REFERENCES)

    @property
    def judge(self) -> str | None:
        """The model that ranks candidates or verifies a draft; None without one."""
        named = self.decoding.get(TEACHER)
        return TEACHER if named is True else named or None


@dataclass(frozen=True)
class Table:
    """Everything that a file says, with all inheritance resolved."""

    corpus: Keys
    distill: Keys
    mono: tuple[str, ...]
    measure: Measuring
    models: dict[str, Model]
    rows: dict[str, RowSpec]
    updates_per_second: float  # a guess, for what has never been trained
    title: str  # of the report
    name: str  # of the folder of its rows

    @property
    def groups(self) -> list[str]:
        """The groups of rows, in order."""
        return list(dict.fromkeys(row.group for row in self.rows.values()))

    def model_of(self, row: RowSpec) -> Model:
        """Returns the model of a row."""
        return self.models[row.model]


# ------------------------------------------------------------------------------ reading


def read_table(path: Path) -> Table:
    """Reads a table's configuration.

    Raises:
        UserError: if something is missing, unknown or out of its range.
        BadFile: if something is of another type than it must be.
    """
    with reading(path, "the configuration of a table"):
        return _read_table(path)


def _read_table(path: Path) -> Table:
    keys = read_layers(path)
    keys[TEACHER] = expand_preset(keys.get(TEACHER))
    check_sections(path, keys, NEEDED)
    # The sections of the preset are the recipes that all others start from.
    recipes = {name: keys[name] for name in (TEACHER, "student")}
    recipes |= keys.get("recipes", {})
    models = {TEACHER: model_of(TEACHER, settled(keys[TEACHER]), ModelKeys(TEACHER))}
    for name in present(keys["models"]):
        models[name] = read_model(name, keys["models"], recipes)
    rows = {n: read_row(n, keys["rows"], models) for n in present(keys["rows"])}
    refuse_shared_names(rows)
    if keys.get("only") is not None:
        for name in keys["only"]:
            require_one_of(f"A row of `only` in {path}", name, rows)
        rows = {name: rows[name] for name in keys["only"]}
    used = {TEACHER, *(row.model for row in rows.values())}
    used |= {row.judge for row in rows.values() if row.judge is not None}
    used |= {n for one in used if one in models for n in chain_of(models, one)}
    measure, corpus = settled(keys["measure"]), settled(keys["corpus"])
    table = Table(
        corpus=corpus,
        distill=settled(keys["distill"]),
        mono=tuple(as_list(keys.get("mono") or [])),
        measure=read_as(Measuring, f"`measure` of {path}", measure, device="cpu"),
        models={name: model for name, model in models.items() if name in used},
        rows=rows,
        updates_per_second=float(keys.get("updates-per-second", 1.0)),
        title=keys.get("title", f"The paper's table on {corpus['name']}"),
        name=str(keys.get("name", corpus["name"])),
    )
    refuse_missing_mono(table, path)
    refuse_wrong_starts(table)
    return table


def present(entries: Mapping[str, Any]) -> list[str]:
    """Lists the entries of a section that have not been taken away."""
    return [name for name, entry in entries.items() if entry is not None]


def expand_preset(section: Any) -> Any:
    """Lays the teacher's flags over a preset of data_prep, if it names one."""
    if not isinstance(section, dict) or "preset" not in section:
        return section
    preset = read_preset(find_preset(section["preset"], PRESETS))
    return overlay(preset, {k: v for k, v in section.items() if k != "preset"})


def read_model(name: str, entries: Keys, recipes: Keys) -> Model:
    """Returns a model with all its flags.

    Raises:
        UserError: if it is not complete.
    """
    what, keys = f"The model `{name}`", inherit(entries, name, "model")
    changed = keys.pop("set", None) or {}  # its None takes flags away
    said = read_as(ModelKeys, what, settled(keys))
    flags = settled(overlay(inherit(recipes, said.recipe, "recipe"), changed))
    return model_of(name, flags, said)


def model_of(name: str, flags: Keys, said: ModelKeys) -> Model:
    """Returns a model; `average` may stand among the flags of its recipe."""
    number_of(flags, "max-update", 1, f"the model `{name}`")
    usual = int(flags.pop("average", 0))
    average = usual if said.average is None else said.average
    checkpoint = said.checkpoint or ("average" if average else "best")
    return Model(name, flags, said.text, said.seeds, checkpoint, average, said.start)


def read_row(name: str, entries: Keys, models: Mapping[str, Model]) -> RowSpec:
    """Returns a row.

    Raises:
        UserError: if it is not complete.
    """
    what, keys = f"the row `{name}`", settled(inherit(entries, name, "row"))
    row = read_as(RowSpec, f"The row `{name}`", keys, name=name)
    require_one_of(f"`model` of {what}", row.model, models)
    read_as(PaperFigures, f"`paper` of {what}", row.paper)
    for seed in row.seeds:
        require_one_of(f"A seed of {what}", seed, models[row.model].seeds)
    if row.judge is not None:
        judges = [one for one, model in models.items() if model.judges]
        require_one_of(f"`teacher` of {what}", row.judge, judges)
    return row


def refuse_shared_names(rows: Mapping[str, RowSpec]) -> None:
    """Refuses a group that is called like a row: which of them would be meant?

    Raises:
        UserError: naming it.
    """
    for row in rows.values():
        if row.group in rows:
            raise UserError(
                f"`group` of the row `{row.name}` must not be the name of a row, "
                f"but is `{row.group}`."
            )


def refuse_missing_mono(table: Table, path: Path) -> None:
    """Refuses a model that wants more text than there is.

    Raises:
        UserError: naming it.
    """
    for model in table.models.values():
        if model.text == "distilled-mono" and not table.mono:
            raise UserError(
                f"{path} must name files as `mono`, as the model `{model.name}` is "
                "trained on their translations, but names none."
            )


# --------------------------------------------------------------------------- dependence


def training_config(table: Table, name: str, seed: int | None) -> Keys:
    """Returns all of the configuration that a trained model depends on."""
    model = table.models[name]
    used: Keys = {
        "version": CONFIG_VERSION,
        "corpus": described(table.corpus),
        "flags": model.flags_of(seed),
        "text": model.text,
        "checkpoint": [model.checkpoint, model.average],
    }
    if model.is_taught and name != TEACHER:
        used["teacher"] = training_config(table, TEACHER, None)
    if model.text != HUMAN:
        used["distill"] = table.distill
    if model.text == "distilled-mono":
        used["mono"] = list(table.mono)
    if model.start is not None:
        begun = seed_of_start(table, model, seed)
        used["start"] = training_config(table, model.start, begun)
    return used


def row_config(table: Table, row: RowSpec, seed: int | None) -> Keys:
    """Returns all of the configuration that a row depends on.

    Names, labels, the paper's figures and all other rows are not among it.
    """
    used = {
        "training": training_config(table, row.model, seed),
        "engine": row.engine,
        "decoding": row.decoding,
        "test_sets": table.corpus["test-sets"],
    }
    if row.judge is not None and row.model != TEACHER:
        used["teacher"] = training_config(table, row.judge, None)
    return used


def described(corpus: Mapping[str, Any]) -> Keys:
    """Returns what the trained text depends on: not what is only measured."""
    return {k: v for k, v in corpus.items() if k not in ("test-set", "test-sets")}


def digest(config: Any) -> str:
    """Returns a short hash of a configuration."""
    return hash_of(config)[:16]
