"""Presets with a list where a number must be, or the like: read, or one sentence."""

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep import train_teacher
from data_prep.lib.steps import UserError
from examples import cifar10_em
from examples.lib import quickstart_plan
from examples.lib.layers import read_layers
from examples.lib.trainings import fairseq_train, for_machine
from examples.paper_table.config import read_table, row_config
from vq_nat.files import BadFile

ROOT = Path(__file__).resolve().parents[3]
VALUES = (None, [], {}, "x", -1, 1.5, [1], {"a": 1}, True, [[]], 10**400)
EACH = 40  # presets of each kind


def read_teacher(path: Path) -> None:
    """Reads a teacher's preset, and makes the command of it."""
    preset = train_teacher.read_preset(path)
    train_teacher.number_of({"average": 0, **preset}, "average", least=0)
    train_teacher.training_command(preset, path.parent, path.parent, 1, [])


def read_quickstart(path: Path) -> None:
    """Reads a preset of the quickstart, and makes the commands of it."""
    preset = quickstart_plan.read_preset(path)
    for section in ("teacher", "student"):
        flags = for_machine(dict(preset[section]), {"CUDA_VISIBLE_DEVICES": ""})
        fairseq_train(path.parent, path.parent, flags)


def read_paper_table(path: Path) -> None:
    """Reads a table, and what its rows depend on."""
    table = read_table(path)
    for row in table.rows.values():
        row_config(table, row, None)


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "teacher": ("data_prep/presets/wmt14.yaml", read_teacher),
    "quickstart": ("examples/presets/toy.yaml", read_quickstart),
    "images": ("examples/presets/cifar10_em_toy.yaml", cifar10_em.read_preset),
    "table": ("examples/paper_table/toy.yaml", read_paper_table),
}


def places(keys: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """Yields where the values of a preset stand."""
    for name, value in keys.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, *above, name)


def changed(keys: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Returns a preset with another value at a place."""
    copied = copy.deepcopy(keys)
    inner = copied
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return copied


@pytest.mark.parametrize("kind", READERS)
def test_a_value_of_another_type_is_read_or_named(kind: str, tmp_path: Path) -> None:
    name, read = READERS[kind]
    keys = read_layers(ROOT / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "text.json").write_text("{}")
    chance, all_places = random.Random(1), list(places(keys))
    sections = [place for place in all_places if len(place) == 1]
    path, refused = tmp_path / "preset.yaml", 0
    for _ in range(EACH):
        place = chance.choice(chance.choice((all_places, sections)))
        wrong = changed(keys, place, chance.choice(VALUES))
        path.write_text(yaml.safe_dump(wrong))
        try:
            read(path)
        except (UserError, BadFile) as error:
            assert "\n" not in str(error), place
            refused += 1
    assert refused >= 2
    path.write_text(yaml.safe_dump(keys))
    read(path)


@pytest.mark.parametrize("base", [[], {}, 1, True])
def test_the_base_of_a_preset_is_a_name(base: Any, tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump({"base": base, "max-tokens": 1}))
    with pytest.raises(UserError, match=r"`base` of the preset .*yaml must be a text"):
        train_teacher.read_preset(path)
