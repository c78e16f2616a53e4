"""The comparison of text processing: no difference on text, and one that is told."""

import json
import sys
from pathlib import Path

import pytest

from examples import compare_text


@pytest.fixture
def command(tmp_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of text, and the command that compares it."""
    path = tmp_path / "lines.txt"
    path.write_text("a b c\n\n“k”, don't ... 1,000 ab é 中\nMr. t's U.S. b-c.\n")
    arguments = ["compare_text.py", "--data", str(tmp_corpus), str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    return path


def test_there_are_no_differences(command: Path, capsys) -> None:
    assert compare_text.main() == 0
    row = json.loads(capsys.readouterr().out)
    assert row["lines"] == 4
    assert [row[name]["different"] for name in ("encode", "join", "join_raw")] == [
        0
    ] * 3


def test_a_difference_is_told(
    command: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_text.Own, "join", lambda self, text: text + "!")
    assert compare_text.main() == 1
    assert "join: 'a b c'" in capsys.readouterr().err
