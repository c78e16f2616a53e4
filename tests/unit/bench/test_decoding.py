"""Modes are chosen by name, compared with the plain one, and set in a table."""

import re
from pathlib import Path
from typing import Any

import pytest

from vq_nat.bench.decoding import (
    Mode,
    against,
    choose,
    decoding_table,
    load_modes,
    modes,
    write_mode,
)
from vq_nat.results.report import load_rows

REFERENCES = [[f"the dog number {i} runs over the hill ."] for i in range(30)]
GOOD = [references[0] for references in REFERENCES]
BAD = [line.replace("runs over", "is") for line in GOOD]


@pytest.fixture
def make_mode(make_row: Any) -> Any:
    """make_mode(name, milliseconds, …): the row of a mode."""

    def make(name: str, milliseconds: float, **changed: Any) -> dict[str, Any]:
        best = {"sentences_per_s": 100.0, "batch_size": 64}
        row = make_row(name, milliseconds, label=name, kind="decoding")
        row |= {"against_plain": None, "teacher_ms": None, "throughput": best}
        return {**row, **changed}

    return make


def test_a_better_mode_is_better_by_more_than_chance() -> None:
    better = against(BAD, GOOD, REFERENCES)
    assert better["bleu"] > 20 and better["bleu_p"] < 0.01
    assert better["chrf"] > 5 and better["chrf_p"] < 0.01
    assert better["same"] == 0.0 and better["resamples"] == 1000
    worse = against(GOOD, BAD, REFERENCES)
    assert worse["bleu"] == -better["bleu"]


def test_the_same_outputs_are_no_better() -> None:
    equal = against(BAD, list(BAD), REFERENCES)
    assert (equal["bleu"], equal["bleu_p"], equal["same"]) == (0.0, 1.0, 1.0)
    assert against(BAD, BAD, REFERENCES) is None  # plain itself


def test_modes_have_names_of_their_own_and_plain_comes_first() -> None:
    names = [mode.name for mode in modes()]
    assert len(set(names)) == len(names)
    assert names[0] == "plain"
    assert {"mask-1", "latent-2", "both-4", "npd-10", "ratio"} <= set(names)


@pytest.mark.parametrize("mode", modes(), ids=lambda mode: mode.name)
def test_the_numbers_in_a_modes_name_are_those_of_its_options(mode: Mode) -> None:
    """How many candidates, then how many passes; its label says the same."""
    named = re.findall(r"\d+", mode.name)
    counts = [mode.options.get(key) for key in ("candidates", "passes")]
    assert named == [str(count) for count in counts if count is not None]
    assert set(named) <= set(re.findall(r"\d+", mode.label))
    assert mode.teacher == ("teacher" in mode.label)


def test_modes_are_chosen_by_name() -> None:
    assert [m.name for m in choose(["npd-4", "mask-1"], True)] == [
        "plain",
        "mask-1",
        "npd-4",
    ]
    assert not any(mode.teacher for mode in choose(None, False))
    assert len(choose(None, True)) == len(modes())
    with pytest.raises(ValueError, match="a mode must be one of plain, .*'guess'"):
        choose(["guess"], True)
    with pytest.raises(ValueError, match="npd-4 must have a teacher, but has none"):
        choose(["npd-4"], False)


def test_rows_make_a_table(make_mode: Any, tmp_path: Path) -> None:
    gain = {"bleu": 0.61, "bleu_p": 0.012, "chrf": 0.3, "chrf_p": 0.2}
    gain["resamples"] = 1000
    plain, better = (
        make_mode("plain", 20.0),
        {"against_plain": gain, "teacher_ms": 8.25},
    )
    chrf = plain["chrf"]
    rows = [
        make_mode("npd-4", 30.0, bleu=50.61, chrf=chrf + 0.3, **better),
        plain,
    ]
    for row in rows:
        write_mode(row, tmp_path)
    assert load_rows(tmp_path) == []  # not among the systems
    read = load_modes(tmp_path, "demo")
    assert read == rows[::-1]
    lines = decoding_table(read).splitlines()
    assert lines[2].startswith("| plain | 50.0 | – |")
    assert "| +0.6 (p = 0.012) |" in lines[3]
    assert "| 30.0 (60.0) | 8.2 | 1.50 | 100 (64) |" in lines[3]
    assert "one-sided p by paired bootstrap with 1000 resamples" in decoding_table(read)


@pytest.mark.parametrize("other", ["bleu", "test_set", "sentences", "processor"])
def test_a_row_of_another_plain_output_is_left_out_by_name(
    make_mode: Any, other: str
) -> None:
    plain = make_mode("plain", 20.0)
    gain = {name: 0.0 for name in ("bleu", "bleu_p", "chrf", "chrf_p", "resamples")}
    rows = [plain, make_mode("beam-4", 30.0, against_plain=gain)]
    assert "| beam-4 |" in decoding_table(rows)
    changed = {"bleu": 49.9, "test_set": "b", "sentences": 3, "processor": "c"}[other]
    table = decoding_table([plain, {**rows[1], other: changed}])
    assert "| beam-4 |" not in table and "another plain output: `beam-4`." in table


def test_a_table_needs_the_plain_mode(make_mode: Any) -> None:
    with pytest.raises(ValueError, match="must hold one of plain decoding"):
        decoding_table([make_mode("npd-4", 30.0)])
