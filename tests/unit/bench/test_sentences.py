"""Test sets are read in the direction of the checkpoint, with the references' lists."""

import json
from pathlib import Path

import pytest

from vq_nat.bench.conditions import Conditions
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.systems import System
from vq_nat.cli.measure import files_of
from vq_nat.translation import loading

ENGLISH, GERMAN = ["one", "two"], ["eins", "zwei"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "test.en").write_text("one\ntwo\n")
    (tmp_path / "test.de").write_text("eins\nzwei\n")
    return tmp_path


def test_both_directions_are_read(raw: Path) -> None:
    there = TestSet.read(raw, "c", "test", ("en", "de"))
    back = TestSet.read(raw, "c", "test", ("de", "en"))
    assert (there.sources, there.targets, there.target_lang) == (ENGLISH, GERMAN, "de")
    assert (back.sources, back.targets, back.target_lang) == (GERMAN, ENGLISH, "en")


def test_the_command_reads_the_test_set_that_it_names(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert files_of(raw, "test", "en") == "test"
    assert capsys.readouterr().err == ""
    assert files_of(raw, "test2016", "en") == "test"
    assert "has no test2016.en: test.en is read as test2016." in capsys.readouterr().err
    (raw / "test2017.en").write_text("three\n")
    assert files_of(raw, "test2017", "en") == "test2017"
    with pytest.raises(ValueError, match="must be one of test, test2017, of which"):
        files_of(raw, "test2071", "en")


def test_known_renderings_are_those_of_one_direction(raw: Path) -> None:
    lists = [["eins", "ein"], ["zwei"]]
    (raw / "test.refs.json").write_text(json.dumps(lists))
    there = TestSet.read(raw, "c", "test", ("en", "de"))
    assert there.references == lists and there.complete
    back = TestSet.read(raw, "c", "test", ("de", "en"))
    assert back.references == [["one"], ["two"]] and not back.complete


@pytest.mark.parametrize("lists", [[["eins"], ["drei"]], [["eins"]]])
def test_lists_that_do_not_fit_are_refused(raw: Path, lists: list) -> None:
    (raw / "test.refs.json").write_text(json.dumps(lists))
    with pytest.raises(ValueError, match="refs.json must hold a list for each of 2"):
        TestSet.read(raw, "c", "test", ("en", "de"))


@pytest.mark.parametrize("lists", [[["eins"], "zwei"], [["eins"], [2]], [[], 1]])
def test_lists_of_anything_but_texts_are_refused(raw: Path, lists: list) -> None:
    (raw / "test.refs.json").write_text(json.dumps(lists))
    with pytest.raises(ValueError, match="refs.json must be lists of known translat"):
        TestSet.read(raw, "c", "test", ("en", "de"))


def test_sides_of_other_lengths_are_refused(raw: Path) -> None:
    (raw / "test.de").write_text("eins\rzwei\n")  # one line
    with pytest.raises(ValueError, match="same number of lines, .* has 2 and .* has 1"):
        TestSet.read(raw, "c", "test", ("en", "de"))


def test_the_other_direction_is_not_measured(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = raw / "checkpoint.pt"
    task = {"_name": "translation", "source_lang": "de", "target_lang": "en"}
    monkeypatch.setattr(loading, "load_config", lambda path: {"task": task})
    test_set = TestSet.read(raw, "c", "test", ("en", "de"))
    message = "the test set test must be translated from de to en, as .* was trained"
    with pytest.raises(ValueError, match=message):
        measure_system(System("s", "s", path), [test_set], Conditions())
