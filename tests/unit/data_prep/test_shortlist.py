"""Tests of shortlist.py: a lexicon is found again, and what is written can be read."""

import json
import random
from pathlib import Path

import pytest

from data_prep import shortlist
from data_prep.lib.text import write_lines

LEXICON = {f"s{n}": f"t{n}" for n in range(30)}


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    draw = random.Random(1)
    rows = [draw.sample(sorted(LEXICON), draw.randint(2, 9)) for _ in range(300)]
    return [(" ".join(row), " ".join(LEXICON[word] for word in row)) for row in rows]


def test_the_best_word_is_the_translation(pairs: list[tuple[str, str]]) -> None:
    assert shortlist.best_words(pairs, 1) == {k: [v] for k, v in LEXICON.items()}


def test_more_words_hold_fewer(pairs: list[tuple[str, str]]) -> None:
    sources, targets = zip(*pairs, strict=True)
    others = list(zip(sources, targets[1:] + targets[:1], strict=True))
    some, more = (shortlist.best_words(others, best) for best in (2, 5))
    assert some.keys() == more.keys()
    assert all(more[word][:2] == some[word] for word in some)
    assert any(len(words) == 5 for words in more.values())


def test_frequent_words_come_by_their_count() -> None:
    pairs = [("a", "x y y"), ("b", "y x z")]
    assert shortlist.frequent_words(pairs, 2) == ["y", "x"]


def corpus_of(pairs: list[tuple[str, str]], folder: Path) -> Path:
    """Writes a corpus; its dictionaries have the words of its first 200 pairs."""
    (folder / "bpe").mkdir(parents=True)
    for column, lang in enumerate(("en", "de")):
        write_lines(folder / "bpe" / f"train.{lang}", [pair[column] for pair in pairs])
    text = {"source_lang": "en", "target_lang": "de"}  # of prepare.py as of distill.py
    (folder / "bin").mkdir()
    (folder / "bin" / "text.json").write_text(json.dumps(text))
    for column, lang in enumerate(("en", "de")):
        words = dict.fromkeys(word for p in pairs[:200] for word in p[column].split())
        lines = [f"{word} 1" for word in words]
        write_lines(folder / "bin" / f"dict.{lang}.txt", lines)
    return folder


def test_the_command_writes_one_line_a_word(
    pairs: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "list.txt"
    shortlist.main([str(corpus_of(pairs, tmp_path / "c")), "--out", str(out)])
    assert capsys.readouterr().out == f"{out}\n"
    first, *rest = out.read_text().splitlines()
    assert set(first.split()) == set(LEXICON.values()) and first.startswith("\t")
    assert [line.split("\t")[0] for line in rest] == sorted(LEXICON)
    assert all(LEXICON[line.split("\t")[0]] in line.split() for line in rest)


def test_words_that_no_dictionary_has_are_left_out(
    pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    """More text, as of `distill.py --mono`, has words that the model does not know."""
    out = tmp_path / "list.txt"
    more = [*pairs, *[("+ s1", "t1 plus"), ("+", "t1"), ("s1", "plus")] * 3]
    shortlist.main([str(corpus_of(more, tmp_path / "c")), "--out", str(out)])
    words = set(out.read_text().split())
    assert words == {*LEXICON, *LEXICON.values()}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--best", "0"], "--best must be at least 1, but is 0 instead"),
        ([], "must have sentences, but has none"),
    ],
)
def test_what_cannot_be_is_refused(
    options: list[str], sentence: str, tmp_path: Path
) -> None:
    folder, out = corpus_of([], tmp_path / "c"), tmp_path / "list.txt"
    with pytest.raises(SystemExit, match=sentence):
        shortlist.main([str(folder), "--out", str(out), *options])
    assert not out.exists()
