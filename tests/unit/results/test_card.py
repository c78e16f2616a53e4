"""A model's card shows what its facts are, and says where it knows nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vq_nat.results.card import summary, write_card

LANGUAGES = ["en", "de"]
ABOUT: dict[str, Any] = {"kind": "latent", "architecture": "tiny", "parameters": 1234}


def card_of(folder: Path, **about: Any) -> str:
    """Writes a card and returns its text."""
    place = (folder, "config.json", "f" * 64, LANGUAGES)
    return write_card(*place, {**ABOUT, **about}, "Read it.").read_text()


def head_of(card: str) -> dict[str, Any]:
    """Returns its head, as YAML."""
    return yaml.safe_load(card.split("---")[1])


def test_figures_are_those_of_the_row(
    make_row: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    second = {"sentences": 7, "bleu": 21.5, "bleu_signature": "another|one"}
    row = make_row("student", 3.25, other_test_sets={"far": second}, bleu=12.34)
    card = card_of(tmp_path, result=summary(row, tmp_path))
    page = card.partition("---\n\n")[2]
    for said in ("| test | 1000 | 12.34 |", "| far | 7 | 21.50 |", "another|one"):
        assert said in page
    for said in (row["bleu_signature"], "3.2 ms", "below 6.5 ms", "an abacus"):
        assert said in page
    tests = head_of(card)["model-index"][0]["results"]
    assert [one["metrics"][0]["value"] for one in tests] == [12.34, 21.5]


def test_what_is_not_known_is_said_to_be_so(tmp_path: Path) -> None:
    card = card_of(tmp_path)
    assert "license" not in head_of(card) and "None is stated" in card
    assert "model-index" not in head_of(card) and "without measured figures" in card


def test_no_name_leaves_its_line(tmp_path: Path) -> None:
    name = "x\n\n# Free | money `<script>`"
    result = {"system": name, "corpus": name, "tests": {name: {"bleu": 1.0}}}
    card = card_of(tmp_path, result=result, architecture=name, licence=name)
    page = card.partition("---\n\n")[2]
    assert "<script>" not in page and "\n# Free" not in page
    assert head_of(card)["license"] == name


def test_a_row_without_a_signature_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row.json must be a row with `bleu` and its"):
        summary({"system": "a", "bleu": 3.0}, tmp_path / "row.json")
    assert json.dumps(summary({"bleu": 3.0, "bleu_signature": "s"}, tmp_path))
