"""What codes stand for: counted over chunks, written in two forms."""

import json
from pathlib import Path

import pytest
import torch

from vq_nat.explain.inventory import (
    Chunk,
    count_codes,
    describe,
    write_records,
)
from vq_nat.explain.page import marked, meaning
from vq_nat.translation.decoding.inspection import best_rivals, probability

CHUNKS = [
    Chunk((3, 0), ("ein", "Hund"), 0, 5),
    Chunk((1, 0), ("läuft", "</s>"), 1, 5),
    Chunk((3, 2), ("ein",), 0, 1),
    Chunk((3, 2), ("ein", "Hund"), 2, 6),
]


def test_each_slice_counts_its_own_codes() -> None:
    records = describe(count_codes(iter(CHUNKS)))
    keys = [(r["slice"], r["code"], r["count"]) for r in records]
    assert keys == [(0, 3, 3), (0, 1, 1), (1, 0, 2), (1, 2, 2)]
    first = records[0]
    assert first["words"] == [("ein", 3), ("Hund", 2)]
    assert first["chunks"] == [("ein Hund", 2), ("ein", 1)]
    assert first["places"] == [(0, 2), (2, 1)]
    assert first["share"] == 0.75
    assert first["mean_place"] == pytest.approx(2 / 3, abs=0.01)
    assert first["mean_words"] == pytest.approx(5 / 3, abs=0.01)
    assert first["mean_sentence_words"] == 4.0


def test_records_are_written_as_json_and_in_columns(tmp_path: Path) -> None:
    records = describe(count_codes(iter(CHUNKS)))
    write_records(records, tmp_path / "new" / "codes.json")
    read = json.loads((tmp_path / "new" / "codes.json").read_text())
    assert [r["code"] for r in read] == [3, 1, 0, 2]
    write_records(records, tmp_path / "codes.tsv")
    lines = (tmp_path / "codes.tsv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].split("\t")[:3] == ["slice", "code", "count"]
    assert lines[1].split("\t")[4:6] == ["ein (3), Hund (2)", "ein Hund (2), ein (1)"]


def test_rivals_differ_in_one_slice_and_are_the_most_probable() -> None:
    logp = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.6, 0.3, 0.0]]).log()
    code = torch.tensor([0, 1])
    rivals = [rival.tolist() for rival in best_rivals(logp, code, 3)]
    assert rivals == [[1, 1], [0, 2], [2, 1]]
    assert probability(logp, code) == pytest.approx(0.3)
    assert len(best_rivals(logp, code, 99)) == 4


def test_changed_words_are_marked_and_escaped() -> None:
    assert marked(["a", "b"], ["a", "<s>", "c"]) == (
        "a <mark>&lt;s&gt;</mark> <mark>c</mark>"
    )
    assert "the same words" in marked(["a"], ["a"])


def test_what_a_code_was_never_seen_with_is_not_invented() -> None:
    inventory = count_codes(iter(CHUNKS))
    assert meaning((3, 9), inventory) == "“ein Hund” (2); “ein” (1) | (not seen)"
