"""Tests that an exported folder is what was exported, and that nothing is sent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vq_nat.files import BadFile
from vq_nat.translation.onnx.export import export
from vq_nat.translation.onnx.runtime import ExportedModel

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
PARTS = ("encode.onnx", "step.onnx", "decode.onnx", "dict.en.txt", "dict.de.txt")


@pytest.fixture
def folder(make_model, dictionary, prepared: Path, tmp_path: Path) -> Path:
    """An exported model."""
    out = tmp_path / "exported"
    export(make_model(), {"en": dictionary, "de": dictionary}, prepared, out)
    return out


def flip(content: bytes) -> bytes:
    """Turns one bit over in the middle."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


def halve(content: bytes) -> bytes:
    """Cuts the second half off."""
    return content[: len(content) // 2]


def web_page(content: bytes) -> bytes:
    """What a proxy sends in place of a file."""
    return b"<!DOCTYPE html>\n<html></html>\n"


def nothing(content: bytes) -> bytes:
    """An empty file."""
    return b""


CHANGES = [flip, halve, web_page, nothing]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_part_is_named(
    folder: Path, change: Callable[[bytes], bytes]
) -> None:
    assert ExportedModel(folder).languages == ("en", "de")
    for part in PARTS:
        whole = (folder / part).read_bytes()
        (folder / part).write_bytes(change(whole))
        with pytest.raises(BadFile, match=f"{part} must be the file that .*export.jso"):
            ExportedModel(folder)
        (folder / part).write_bytes(whole)
    (folder / part).unlink()
    with pytest.raises(BadFile, match=f"must hold {part}, as .* but has none"):
        ExportedModel(folder)


@pytest.mark.parametrize("change", [halve, web_page, nothing])
def test_a_changed_description_is_named(
    folder: Path, change: Callable[[bytes], bytes]
) -> None:
    path = folder / "export.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadFile, match=r"export\.json must be the description of a mo"):
        ExportedModel(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": {}},
        {"sha256": None},
        {"languages": ["../../x", "de"]},
        {"languages": "en"},
        {"heads": 10**12},
        {"codes": -1},
        {"codes": "many"},
        {"options": {}},
        {"options": {"compression_steps": 60}},
    ],
    ids=str,
)
def test_a_description_that_asks_for_too_much_is_refused(
    folder: Path, change: dict[str, object]
) -> None:
    path = folder / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadFile, match=r"export\.json must be the description of a mo"):
        ExportedModel(folder)


LOAD = """
from pathlib import Path
from vq_nat.translation.onnx.runtime import Sessions
Sessions(Path({folder!r}))._open(1)
"""


def test_onnx_runtime_keeps_to_itself(folder: Path, tmp_path: Path) -> None:
    """By default it writes an identifier and events, to be sent, from its import on."""
    home = tmp_path / "home"
    home.mkdir()
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        env[name] = str(home)
    command = [sys.executable, "-c", LOAD.format(folder=str(folder))]
    subprocess.run(command, check=True, env=env, timeout=120)
    assert [path for path in home.rglob("*") if "onnxruntime" in str(path)] == []
