"""compare_engines.py: the engine writes what a trained model writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples import compare_engines


def test_the_engine_agrees_with_a_model(
    checkpoint: Path,
    tmp_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw, out = tmp_corpus.parent / "raw", tmp_path / "agreement.json"
    arguments = [str(checkpoint), "--raw", str(raw), "--first", "9"]
    shortlist = tmp_path / "shortlist.txt"
    known = (tmp_corpus / "dict.de.txt").read_text().splitlines()
    words = [line.split()[0] for line in known]
    shortlist.write_text("\t" + " ".join(words) + "\n")  # all, for every sentence
    (tmp_path / "settings.json").write_text("{}")  # no row: of somebody else
    arguments += ["--shortlist", str(shortlist), "--corpus", "copies"]
    compare_engines.main([*arguments, "--label", "a student", "--out", str(out)])
    assert "| greedy | float32 | 100.00 % | 100.00 % |" in capsys.readouterr().out
    row = json.loads(out.read_text())
    assert (row["corpus"], row["sentences"]) == ("copies", 9)
    assert (tmp_path / "report.md").read_text().count("\n## ") == 1
    kinds = [(one["search"], one["number_format"]) for one in row["agreement"]]
    assert len(set(kinds)) == len(kinds) == 6
    for place, one in enumerate(row["agreement"]):
        if one["number_format"] == "float32":
            assert one["words"] == one["codes"] == one["sentences"] == 1
            assert one["score"] < 1e-4 and one["bleu"] == one["bleu_model"]
        elif "shortlist" in one["number_format"]:  # of all words: nothing is lost
            plain = {**row["agreement"][place - 1], "score": one["score"]}
            assert one == {**plain, "number_format": "int8, shortlist"}
        else:  # hardly trained: much is nearly equally likely
            assert 0.5 < one["words"] <= 1


def test_shares_are_of_positions() -> None:
    assert compare_engines.share([("abc", "abd"), ("a", "a")]) == pytest.approx(3 / 4)
    assert compare_engines.share([("abcd", "ab")]) == pytest.approx(1 / 2)
    assert compare_engines.share([]) == 1


def test_the_report_has_every_row_of_the_folder(tmp_path: Path) -> None:
    one: Any = {
        **{"label": "a teacher", "corpus": "copies", "sentences": 9, "agreement": []},
        **{"processor": "a", "threads": 1, "versions": {"torch": "2"}, "commit": "0"},
    }
    text = compare_engines.report([one, {**one, "label": "a student"}])
    assert text.index("## a teacher") < text.index("## a student")
    assert "9 sentences of copies. On a, 1 thread(s); torch 2; commit 0." in text
