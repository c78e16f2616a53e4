"""Tests of the demo corpus: repeatable, without leaks, and correct by its own list."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import read_folder

from data_prep import demo_corpus
from data_prep.lib.demo_clocks import (
    at_evening,
    at_known_clock,
    at_morning,
    at_opening,
    day_part,
    english_colloquial,
    german_colloquial,
    german_twelve_hour,
)
from data_prep.lib.demo_draws import Draw, Phrase
from data_prep.lib.demo_frames import (
    FRAMES,
    Sentence,
    draw_sentence,
    english_text,
    references,
    slots_of,
)
from data_prep.lib.demo_phrases import SLOTS
from data_prep.lib.text import detokenize, tokenize

SIZES = ["--train", "400", "--valid", "60", "--test", "60"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    demo_corpus.main(["--out", str(out), *SIZES])
    return out / "raw"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_same_seed_same_bytes(raw: Path, scripts: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(scripts / "demo_corpus.py"), "--out", "again"]
    environment = {"PYTHONHASHSEED": "77", "PATH": ""}
    subprocess.run([*command, *SIZES], cwd=tmp_path, env=environment, check=True)
    assert read_folder(tmp_path / "again" / "raw") == read_folder(raw)
    demo_corpus.main(["--out", str(tmp_path / "other"), "--seed", "2", *SIZES])
    assert lines(tmp_path / "other" / "raw" / "train.en") != lines(raw / "train.en")


def test_bytes_do_not_depend_on_the_python_version() -> None:
    """The draws themselves are fixed: this number must never change."""
    draw = Draw(1)
    numbers = bytes(draw.choice(range(256)) for _ in range(1000))
    digest = hashlib.sha256(numbers).hexdigest()
    assert digest.startswith("12fb603870222539")


def test_no_english_sentence_occurs_twice(raw: Path) -> None:
    corpus = [
        line for s in ("train", "valid", "test") for line in lines(raw / f"{s}.en")
    ]
    assert len(set(corpus)) == len(corpus) == 520


def test_targets_are_among_their_references(raw: Path) -> None:
    for split in ("valid", "test"):
        rows = json.loads((raw / f"{split}.refs.json").read_text(encoding="utf-8"))
        assert len(rows) == 60
        for target, row in zip(lines(raw / f"{split}.de"), rows, strict=True):
            assert target in row
            assert 2 <= len(row) == len(set(row)) <= 200


def test_training_targets_are_references_too() -> None:
    draw = Draw(3)
    for _ in range(500):
        sentence = draw_sentence(draw)
        assert draw.choice(references(sentence)) in references(sentence)
        assert len(references(sentence)) >= 2


def test_sentences_have_the_promised_length(raw: Path) -> None:
    lengths = [len(line.split()) for line in lines(raw / "train.en")]
    assert min(lengths) >= 6
    assert max(lengths) <= 18


def test_wordings_differ_in_order_and_length() -> None:
    draw = Draw(4)
    orders = lengths = 0
    for _ in range(200):
        texts = [text.split() for text in references(draw_sentence(draw))]
        orders += len({words[0] for words in texts}) > 1
        lengths += len({len(words) for words in texts}) > 1
    assert orders > 150
    assert lengths > 100


def test_text_survives_tokenising(raw: Path) -> None:
    for lang in ("en", "de"):
        for line in lines(raw / f"train.{lang}"):
            assert detokenize(tokenize(line, lang), lang) == line


def test_frames_and_slots_fit_together() -> None:
    used = {name for frame in FRAMES for name in slots_of(frame)}
    assert used == set(SLOTS)
    for frame in FRAMES:
        for german in frame.german:
            assert sorted(slots_of(frame)) == sorted(
                slots_of(frame._replace(english=german))
            ), german


def test_clock_times_by_hand() -> None:
    table = {
        (2, 30): ("half past two", "halb drei", "zwei Uhr dreißig"),
        (12, 30): ("half past twelve", "halb eins", "zwölf Uhr dreißig"),
        (13, 0): ("one o'clock", "ein Uhr", "ein Uhr"),
        (13, 15): ("a quarter past one", "Viertel nach eins", "ein Uhr fünfzehn"),
        (9, 45): ("a quarter to ten", "Viertel vor zehn", "neun Uhr fünfundvierzig"),
        (20, 25): (
            "twenty-five past eight",
            "fünf vor halb neun",
            "acht Uhr fünfundzwanzig",
        ),
        (6, 35): (
            "twenty-five to seven",
            "fünf nach halb sieben",
            "sechs Uhr fünfunddreißig",
        ),
        (11, 50): ("ten to twelve", "zehn vor zwölf", "elf Uhr fünfzig"),
    }
    for time, wordings in table.items():
        functions = (english_colloquial, german_colloquial, german_twelve_hour)
        assert tuple(function(*time) for function in functions) == wordings


def test_part_of_the_day_by_hand() -> None:
    assert at_known_clock(Draw(1), [14], adverb_first=True) == Phrase(
        "at ten to three in the afternoon",
        (
            "um zehn vor drei nachmittags",
            "um zwei Uhr fünfzig nachmittags",
            "nachmittags um zehn vor drei",
            "nachmittags um zwei Uhr fünfzig",
            "um vierzehn Uhr fünfzig",
        ),
    )
    adverbs = {hour: day_part(hour)[2] for hour in (6, 9, 10, 11, 13, 16, 18, 22)}
    assert adverbs == {
        6: ("morgens",),
        9: ("morgens", "vormittags"),
        10: ("morgens", "vormittags"),
        11: ("vormittags",),
        13: ("nachmittags",),
        16: ("nachmittags",),
        18: ("abends",),
        22: ("abends",),
    }


@pytest.mark.parametrize("at", [at_morning, at_evening])
def test_a_time_beside_another_is_short_in_english_and_anywhere_in_german(
    at: Callable[[Draw], Phrase],
) -> None:
    for seed in range(50):
        phrase = at(Draw(seed))
        assert phrase.english.endswith((" a.m.", " p.m."))
        starts = {wording.split()[0] for wording in phrase.german}
        assert "um" in starts and len(starts) > 1


def test_a_time_behind_a_date_begins_with_the_hour() -> None:
    for seed in range(50):
        assert {text.split()[0] for text in at_opening(Draw(seed)).german} == {"um"}


def test_all_wordings_of_one_sentence_by_hand() -> None:
    frame = next(frame for frame in FRAMES if "birthday" in frame.english)
    phrases = {
        "person": Phrase("my sister", ("meine Schwester",)),
        "date": Phrase("May third", ("dritten Mai", "3. Mai")),
    }
    assert (
        english_text(Sentence(frame, phrases))
        == "My sister's birthday is on May third."
    )
    assert references(Sentence(frame, phrases)) == [
        "Meine Schwester hat am dritten Mai Geburtstag.",
        "Meine Schwester hat am 3. Mai Geburtstag.",
        "Am dritten Mai hat meine Schwester Geburtstag.",
        "Am 3. Mai hat meine Schwester Geburtstag.",
    ]


def test_bad_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--out", str(tmp_path / "out")]
    with pytest.raises(
        SystemExit, match="--valid must be at least 1, but is 0 instead"
    ):
        demo_corpus.main([*arguments, "--valid", "0"])
    monkeypatch.setattr(demo_corpus, "MAX_FAILURES", 1)
    with pytest.raises(SystemExit, match="different sentences, but there are only"):
        demo_corpus.main([*arguments, "--train", "900000"])
    assert not (tmp_path / "out" / "raw").exists()
