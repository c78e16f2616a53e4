"""The committed rows: each has the outputs that it was scored on beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from vq_nat.text.lines import read_lines

RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"


def scored(row: Any) -> dict[str, int]:
    """Returns the files of a row's outputs, and how many sentences they have.

    Raises:
        KeyError: if a scored test set names none.
    """
    if not isinstance(row, dict) or "bleu" not in row:
        return {}
    others = (row.get("other_test_sets") or {}).values()
    return {one["outputs"]: one["sentences"] for one in (row, *others)}


ROWS = {
    str(path.relative_to(RESULTS)): scored(json.loads(path.read_text("utf-8")))
    for path in sorted(RESULTS.rglob("*.json"))
}


@pytest.mark.parametrize("name", [name for name, files in ROWS.items() if files])
def test_a_row_has_its_outputs_beside_it(name: str) -> None:
    for file, sentences in ROWS[name].items():
        assert file is not None, "a row without its outputs is not a row"
        assert len(read_lines((RESULTS / name).with_name(file))) == sentences


def test_outputs_without_a_row_are_not_kept() -> None:
    known = {
        (RESULTS / name).with_name(file)
        for name, files in ROWS.items()
        for file in files
    }
    folders = {path.parent for path in known}
    assert {path for folder in folders for path in folder.glob("*.txt")} <= known
