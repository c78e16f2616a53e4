"""Words that no text has, and their share in a row."""

from pathlib import Path

import pytest

from vq_nat.bench.measure import measure_broken_words
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.words import all_words, broken_share, broken_words, words_of

KNOWN = all_words(["Ein Mann mit Winterjacke.", "zwei Schneewände"])


def test_words_are_letters_without_case() -> None:
    assert words_of("Ein T-Shirt, Größe 44: ÄRMEL.") == [
        *("ein", "t", "shirt", "größe", "ärmel")
    ]


def test_a_word_is_broken_that_neither_text_nor_source_has() -> None:
    outputs = ["EIN Winterjacksten, zwei Schneeatwand.", "Ein Mann, Smith, Smith"]
    sources = ["two Smith", "a man, Smith"]
    assert broken_words(outputs, sources, KNOWN) == [
        ["winterjacksten", "schneeatwand"],
        [],
    ]
    assert broken_share(outputs, sources, KNOWN) == pytest.approx(2 / 8)


def test_a_source_helps_its_own_output_only() -> None:
    outputs, sources = ["Smith", "Smith"], ["Smith", "Jones"]
    assert broken_words(outputs, sources, KNOWN) == [[], ["smith"]]


def test_empty_outputs_have_none() -> None:
    assert broken_share(["", "1 2 3!"], ["", ""], KNOWN) == 0.0


def test_a_test_set_knows_the_training_text_beside_it(tmp_path: Path) -> None:
    for name, text in (("test.en", "a\n"), ("test.de", "b\n")):
        (tmp_path / name).write_text(text)
    described = ("demo", "test", ("en", "de"))
    assert measure_broken_words(["b c"], TestSet.read(tmp_path, *described)) is None
    (tmp_path / "train.de").write_text("b\n")
    assert measure_broken_words(["b c"], TestSet.read(tmp_path, *described)) == 0.5
