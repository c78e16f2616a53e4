"""Committed rows are what their types say: today's can be read tomorrow."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints

import pytest

from data_prep.complexity import Complexity
from examples.bench_bottleneck import Cost
from examples.bench_distill import Rate
from examples.bench_engine_memory import EngineMemoryRow
from examples.bench_image import TrainingSpeed
from examples.bench_image_sampling import SamplingSpeed
from examples.bench_memory import Memory
from examples.bench_serve import ServeRow
from examples.compare_engines import AgreementRow
from examples.lib.cifar10_em_rows import EMRow, PriorRow
from examples.lib.engine_rows import EngineRow
from examples.lib.robustness_rows import Survival
from examples.paper_table.rows import TableRow
from vq_nat.results.rows import Row, at, row_path

RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"
TYPES: dict[str, Any] = {  # by the row's kind
    "bottleneck": Cost,
    "bottleneck_members": Cost,
    "cifar10_em": EMRow,
    "complexity": Complexity,
    "cifar10_em_prior": PriorRow,
    "engine": EngineRow,
    "engine-memory": EngineMemoryRow,
    "engine_agreement": AgreementRow,
    "image-sampling": SamplingSpeed,
    "image-training": TrainingSpeed,
    "paper_table": TableRow,
    "robustness": Survival,
    "serve": ServeRow,
}


def faults(value: Any, kind: Any, where: str = "row") -> Iterator[str]:
    """Yields what of a JSON value is not of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        if all(list(faults(value, one, where)) for one in inner):
            # A choice of None and one other: what is wrong with the other.
            yield from faults(value, next(one for one in inner if one is not NoneType))
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where} must be a list, but is {value!r} instead."
            return
        for number, one in enumerate(value):
            yield from faults(one, inner[0], f"{where}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where} must be an object, but is {value!r} instead."
            return
        for name, one in value.items():
            yield from faults(one, inner[1], f"{where}.{name}")
    elif hasattr(kind, "__required_keys__"):
        yield from faults_of_keys(value, kind, where)
    else:
        known = (int, float) if kind is float else kind
        if not isinstance(value, known) or (kind is not bool and value is True):
            yield f"{where} must be {kind}, but is {value!r} instead."


def faults_of_keys(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Yields the same of a `TypedDict`."""
    if not isinstance(value, dict):
        yield f"{where} must be {kind.__name__}, but is {value!r} instead."
        return
    types = get_type_hints(kind)
    whole = get_type_hints(kind, include_extras=True)  # with `NotRequired`
    required = {name for name in types if get_origin(whole[name]) is not NotRequired}
    yield from (f"{where} must have `{name}`." for name in required - value.keys())
    yield from (f"{where} must not have `{name}`." for name in value.keys() - types)
    for name in types.keys() & value.keys():
        yield from faults(value[name], types[name], f"{where}.{name}")


def committed() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields all rows in the repository."""
    for path in sorted(RESULTS.rglob("*.json")):
        yield path, json.loads(path.read_text("utf-8"))


def test_committed_rows_are_of_their_types() -> None:
    broken = [
        f"{path.relative_to(RESULTS)}: {fault}"
        for path, row in committed()
        for fault in faults(row, TYPES.get(row.get("kind", ""), Row))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", ["bleu", "latency_ms", "curves", "versions"])
def test_a_row_of_another_type_is_found(name: str) -> None:
    row = next(row for _, row in committed() if row.get("kind") == "paper_table")
    assert not list(faults(row, TableRow))
    assert list(faults({**row, name: "?"}, TableRow))
    without = {key: value for key, value in row.items() if key != name}
    assert list(faults(without, TableRow)) == [f"row must have `{name}`."]


@pytest.mark.parametrize(
    ("name", "kind"), [("distill/multi30k", Rate), ("prepare/memory", Memory)]
)
def test_rows_of_one_file_are_of_their_type(name: str, kind: Any) -> None:
    lines = (RESULTS / f"{name}.jsonl").read_text("utf-8").splitlines()
    broken = [fault for line in lines for fault in faults(json.loads(line), kind)]
    assert lines and not broken


def test_what_is_missing_deep_inside_is_none() -> None:
    row = {"a": {"b": {"c": 1}}, "n": None}
    assert at(row, "a", "b", "c") == 1
    assert at(row, "a", "x", "c") is at(row, "n", "b") is None


@pytest.mark.parametrize(
    ("corpus", "system"), [("../up", "a"), ("c", "../../a"), ("c", ""), ("..", "a")]
)
def test_no_row_leads_out_of_its_folder(
    tmp_path: Path, corpus: str, system: str
) -> None:
    assert row_path(tmp_path, "c", "a.seed1") == tmp_path / "c" / "a.seed1.json"
    with pytest.raises(ValueError, match="must be a file's name, without folders"):
        row_path(tmp_path, corpus, system)
