"""A checkpoint is exported once, in the number format that is asked for."""

from pathlib import Path
from typing import Any

import pytest

from vq_nat.bench import engines
from vq_nat.bench.exports import number_format_of
from vq_nat.translation.export import exported_folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file that stands for a checkpoint."""
    path = tmp_path / "checkpoint_best.pt"
    path.write_bytes(b"weights")
    return path


def test_a_checkpoint_is_exported_once_and_again_when_it_changes(
    checkpoint: Path,
) -> None:
    made: list[Path] = []

    def export(source: Path, folder: Path) -> None:
        assert source == checkpoint
        folder.mkdir()
        made.append(folder)

    first = exported_folder(checkpoint, "onnx", export)
    assert first.is_dir() and first.parent == checkpoint.parent
    assert exported_folder(checkpoint.parent, "onnx", export) == first
    assert made == [first]
    assert exported_folder(checkpoint, "packed", export) != first
    checkpoint.write_bytes(b"others")
    assert exported_folder(checkpoint, "onnx", export) not in made[:2]
    assert len(made) == 3


@pytest.mark.parametrize("name", engines.COMPUTE_TYPES)
def test_graphs_are_exported_in_the_format_that_their_folder_names(
    name: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def export(source: Path, folder: Path, **options: Any) -> None:
        folder.mkdir()
        asked.update(options)

    monkeypatch.setattr(engines, "export_checkpoint", export)
    monkeypatch.setattr(engines, "load", lambda folder, **options: (folder, options))
    options = {"compute_type": name, "data": "there", "candidates": 4}
    folder, loaded = engines.OnnxEngine(checkpoint, "cpu", options).translator
    assert asked == {"data": "there", "int8": name == "int8"}
    assert name in folder.name
    assert loaded == {"device": "cpu", "autocast": "none", "candidates": 4}


def test_a_format_that_an_engine_has_not_is_refused() -> None:
    assert number_format_of({}, ("float32",)) == "float32"
    with pytest.raises(ValueError, match="must be one of float32, but is 'int4'"):
        number_format_of({"compute_type": "int4"}, ("float32",))
