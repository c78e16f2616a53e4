"""Exported and packed folders, rows and logs in any state: used, or one sentence."""

import io
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_damaged_files import DAMAGES, in_time

from vq_nat.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TYPES: dict[str, object] = {
    "nothing": None,
    "list": [],
    "mapping": {},
    "text": "x",
    "negative": -1,
    "huge": 2**70,
    "nested": [[[{"a": [1]}]]],
}
ROUNDS = 40  # values of a JSON file that are changed, one at a time


def ended(words: list[str], capsys: pytest.CaptureFixture[str], lines: str = "") -> str:
    """Runs a command on lines; returns the sentence it ended in, "" if it did not."""
    with in_time(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        status = main(words)
    said = capsys.readouterr().err.splitlines()
    assert status in (0, 2)
    if status == 0:
        return ""
    assert said[-1].startswith("vq-nat: ") and "Traceback" not in "".join(said)
    return said[-1]


@pytest.fixture(scope="module")
def exported_onnx(
    checkpoint: Path, tmp_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A student as ONNX graphs, to read only."""
    pytest.importorskip("onnxruntime")
    out = tmp_path_factory.mktemp("onnx") / "out"
    words = ["export", "--format", "onnx", str(checkpoint), str(out)]
    assert main([*words, "--data", str(tmp_corpus)]) == 0
    return out


def model_of(kind: str, request: pytest.FixtureRequest) -> Path:
    """Returns a folder that `translate` reads."""
    if kind == "engine":
        return request.getfixturevalue("exported_folder")
    if kind == "onnx":
        return request.getfixturevalue("exported_onnx")
    return ROOT / "tests" / "data" / "0.1.0" / kind


@pytest.mark.parametrize("kind", ["engine", "packed", "onnx"])
def test_a_damaged_part_of_a_model_is_named(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(model_of(kind, request), tmp_path / "model"))
    words = ["translate", str(folder)]
    assert ended(words, capsys, "a b\n") == ""
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        whole = path.read_bytes()
        for change in DAMAGES.values():
            path.write_bytes(change(whole))
            sentence = ended(words, capsys, "a b\n")
            harmless = path.name in JSON and not sentence  # a line feed at its end
            assert path.name in sentence or harmless
        path.write_bytes(whole)


def places(value: object, *above: str | int) -> list[tuple[str | int, ...]]:
    """Returns where the values of a JSON file stand."""
    inner: dict[str | int, object] = {}
    if isinstance(value, dict):
        inner = dict(value)
    elif isinstance(value, list):
        inner = dict(enumerate(value))
    return [
        place
        for name, item in inner.items()
        for place in [(*above, name), *places(item, *above, name)]
    ]


def changed(text: str, place: tuple[str | int, ...], value: object) -> str:
    """Returns a JSON file with another value at a place."""
    whole = inner = json.loads(text)
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return json.dumps(whole)


JSON: dict[str, Callable[[pytest.FixtureRequest], Path]] = {
    "description.json": lambda request: model_of("engine", request),
    "config.json": lambda request: model_of("packed", request),
    "export.json": lambda request: model_of("onnx", request),
}


@pytest.mark.parametrize("name", JSON)
def test_a_description_of_other_types_is_used_or_named(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(JSON[name](request), tmp_path / "model"))
    path, chance = folder / name, random.Random(1)
    text = path.read_text("utf-8")
    for _ in range(ROUNDS):
        place = chance.choice(places(json.loads(text)))
        path.write_text(changed(text, place, chance.choice(list(TYPES.values()))))
        sentence = ended(["translate", str(folder)], capsys, "a b\n")
        assert not sentence or str(folder) in sentence, (place, sentence)


def test_rows_in_any_state_are_shown_or_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ROOT / "examples" / "results" / "demo" / "student.json"
    text, path = row.read_text("utf-8"), tmp_path / "row.json"
    words, chance = ["table", str(tmp_path)], random.Random(1)
    states = [change(text.encode()) for change in DAMAGES.values()]
    everywhere = places(json.loads(text))
    for _ in range(2 * ROUNDS):
        value = chance.choice(list(TYPES.values()))
        states.append(changed(text, chance.choice(everywhere), value).encode())
    refused = 0
    for state in states:
        path.write_bytes(state)
        sentence = ended(words, capsys)
        refused += bool(sentence)
        assert not sentence or "row.json" in sentence
    assert refused > len(states) // 4


def test_a_training_log_in_any_state_is_drawn_or_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.log"
    for change in DAMAGES.values():
        path.write_bytes(change(b'{"epoch": 1, "train_loss": "2.5"}\n' * 9))
        sentence = ended(["plot", str(tmp_path), "--out", str(tmp_path / "o")], capsys)
        assert not sentence or "train.log" in sentence
