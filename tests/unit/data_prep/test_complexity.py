"""Tests of complexity.py and align.py: figures by hand, and a lexicon found again."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from data_prep import complexity
from data_prep.lib.align import Vocabulary, align, diagonal_prior, list_candidates

LEXICON = {f"s{n}": f"t{n}" for n in range(40)}


def sentences(number: int) -> list[list[str]]:
    draw = random.Random(1)
    return [draw.sample(sorted(LEXICON), draw.randint(2, 9)) for _ in range(number)]


def translate(words: list[str], draw: random.Random) -> list[str]:
    """Word by word, with two neighbours exchanged."""
    target = [LEXICON[word] for word in words]
    place = draw.randrange(len(target) - 1)
    target[place : place + 2] = reversed(target[place : place + 2])
    return target


def test_a_lexicon_is_found_again() -> None:
    draw, source_words, target_words = random.Random(2), Vocabulary(), Vocabulary()
    pairs = [(words, translate(words, draw)) for words in sentences(300)]
    candidates = list_candidates(pairs, source_words, target_words)
    links = zip(*align(candidates), strict=True)
    names = [{n: word for word, n in v.items()} for v in (source_words, target_words)]
    right = [LEXICON[names[0][x]] == names[1][y] for x, y in links]
    assert len(right) > 0.95 * sum(len(target) for _, target in pairs)
    assert sum(right) > 0.99 * len(right)


def test_the_prior_is_a_distribution_that_prefers_the_diagonal() -> None:
    prior = diagonal_prior(n=4, m=6)
    assert prior.shape == (6, 5)
    assert prior.sum(axis=1) == pytest.approx(1)
    assert prior[0].argmax() == 1 and prior[-1].argmax() == 4


def test_entropy_by_hand() -> None:
    """x1 becomes y1 or y2 (3 to 1), x2 always y3."""
    table = (numpy.array([1, 1, 2]), numpy.array([1, 2, 3]), numpy.array([3.0, 1, 5]))
    entropy, totals = complexity.entropies(table)
    expected = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert entropy.tolist() == pytest.approx([0, expected, 0])
    assert totals.tolist() == [0, 4, 5]


def test_divergence_by_hand() -> None:
    human = (numpy.array([1, 1, 2]), numpy.array([1, 2, 3]), numpy.array([3.0, 1, 5]))
    other = (numpy.array([1, 2]), numpy.array([1, 1]), numpy.array([4.0, 5]))
    assert complexity.divergences(human, human, 3) == pytest.approx([0, 0])
    e, v = complexity.SMOOTHING, 4 * complexity.SMOOTHING
    first = 0.75 * math.log((3 + e) / (4 + v) / ((4 + e) / (4 + v)))
    first += 0.25 * math.log((1 + e) / (4 + v) / (e / (4 + v)))
    second = math.log((5 + e) / (5 + v) / (e / (5 + v)))
    by_source = complexity.divergences(human, other, 3)
    assert by_source == pytest.approx([first, second])


def test_one_wording_is_easier_than_two() -> None:
    """Human text has a synonym for each word; the distilled text has one of them."""
    draw = random.Random(3)
    triples = []
    for words in sentences(400):
        target = [LEXICON[word] for word in words]
        human = [word + draw.choice("ab") for word in target]
        distilled = [word + "a" for word in target]
        triples.append((" ".join(words), " ".join(human), " ".join(distilled)))
    result = complexity.measure(triples)
    human, distilled = result["human"], result["distilled"]
    assert human["conditional_entropy"] == pytest.approx(math.log(2), abs=0.1)
    assert distilled["conditional_entropy"] < 0.05
    assert human["faithfulness"] == 0 < distilled["faithfulness"]


def write_corpora(folder: Path) -> list[str]:
    """Write what the script reads, with a pair of each kind that it must skip."""
    human, distilled = folder / "human", folder / "distilled"
    for path, name, text in (
        (human, "train.en", "a@@ b c\nd e\nf g\n"),
        (human, "train.de", "A@@ B C\nD E\nF G\n"),
        (distilled, "train.de", "A@@ B C\nC A@@ B\nG F\nneu\n"),
        (
            distilled,
            "train.origin",
            "train\t1\t0\ntrain\t1\t1\ntrain\t3\t0\nmono\t1\t0\n",
        ),
    ):
        (path / "bpe").mkdir(parents=True, exist_ok=True)
        (path / "bpe" / name).write_text(text)
    manifest = json.dumps({"version": 1, "langs": ["en", "de"]})
    (distilled / "manifest.json").write_text(manifest)
    return ["--human", str(human), "--distilled", str(distilled)]


def test_both_corpora_are_read_line_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write_corpora(tmp_path)
    triples = complexity.read_triples(
        tmp_path / "human", tmp_path / "distilled", ["en", "de"]
    )
    assert list(triples) == [("ab c", "AB C", "AB C"), ("f g", "F G", "G F")]
    complexity.main([*arguments, "--out", str(tmp_path / "row.json")])
    assert json.loads((tmp_path / "row.json").read_text())["pairs"] == 2
    assert "| human | " in capsys.readouterr().out


def test_no_more_pairs_are_looked_at_than_are_asked_for(tmp_path: Path) -> None:
    arguments, row = write_corpora(tmp_path), tmp_path / "row.json"
    complexity.main([*arguments, "--pairs", "1", "--out", str(row)])
    assert json.loads(row.read_text())["pairs"] == 1


def test_a_human_corpus_that_is_too_short_is_a_sentence(tmp_path: Path) -> None:
    arguments = write_corpora(tmp_path)
    for lang in ("en", "de"):
        (tmp_path / "human" / "bpe" / f"train.{lang}").write_text("a\nb\n")
    with pytest.raises(SystemExit, match="but has 2 lines where line 3 is asked for"):
        complexity.main(arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arguments: arguments + ["--pairs", "0"], "--pairs must be at least 1"),
        (lambda arguments: arguments[:3] + ["nowhere"], r"manifest\.json is missing"),
    ],
)
def test_misuse_is_a_sentence(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        complexity.main(change(write_corpora(tmp_path)))
