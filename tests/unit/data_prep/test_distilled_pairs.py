"""What of a teacher's translations, of human pairs and of more text becomes a pair."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import ENGLISH, SIZE, leftovers, lines, read_folder
from stub_teacher import StubTeacher

from vq_nat.files import sha256

Run = Callable[..., Path]


def test_empty_translations_are_dropped_with_their_source(
    run_distill: Run,
    corpus: Path,
    teacher: StubTeacher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = lines(corpus / "tok" / "train.en")[12]
    teacher.texts[source] = ""
    out = run_distill()
    assert "train, dropped 1 empty pairs (lines 13)" in capsys.readouterr().err
    assert len(lines(out / "tok" / "train.en")) == SIZE - 1
    assert source not in lines(out / "tok" / "train.en")


def test_each_filter_counts_what_it_drops(
    run_distill: Run, corpus: Path, teacher: StubTeacher
) -> None:
    sources = lines(corpus / "tok" / "train.en")
    chosen = [n for n, line in enumerate(sources) if len(line.split()) == 7][:3]
    faults = {0: "x", 1: sources[chosen[1]], 2: "x y x y x y x y"}
    for index, text in faults.items():
        teacher.texts[sources[chosen[index]]] = text
    for n, line in enumerate(sources):
        if n not in chosen:
            teacher.texts.setdefault(line, "x " * len(line.split()) + f"y{n}")
    options = ["--max-ratio", 5, "--max-copy", 0.5, "--max-repetition", 0.7]
    out = run_distill(*options)
    counts = json.loads((out / "manifest.json").read_text())["counts"]["pairs"]
    dropped = {k: v for k, v in counts.items() if k.startswith("dropped")}
    assert dropped["dropped copy of source"] == 1
    assert dropped["dropped length ratio"] == 1
    assert "dropped repetition" in dropped
    assert counts["kept train"] + sum(dropped.values()) == SIZE
    out = run_distill("--min-score", -0.6, "--nbest", 2, name="scored")
    counts = json.loads((out / "manifest.json").read_text())["counts"]["pairs"]
    assert counts["dropped teacher score"] == SIZE


def test_n_best_give_several_pairs_of_each_source(
    run_distill: Run, corpus: Path
) -> None:
    out = run_distill("--nbest", 3)
    sources = lines(out / "bpe" / "train.en")
    assert sources[::3] == sources[2::3] == lines(corpus / "bpe" / "train.en")
    targets = lines(out / "bpe" / "train.de")
    assert targets[2] == targets[0] + " mehr mehr"
    assert lines(out / "bpe" / "train.origin")[:3] == [f"train\t1\t{n}" for n in "012"]


def test_human_pairs_are_mixed_in(run_distill: Run, corpus: Path) -> None:
    out = run_distill("--mix-human", 0.5)
    origin = [line.split("\t") for line in lines(out / "bpe" / "train.origin")]
    human = [int(line) for part, line, _ in origin if part == "human"]
    assert 8 < len(human) < 32
    targets = lines(corpus / "bpe" / "train.de")
    mixed = lines(out / "bpe" / "train.de")[SIZE:]
    assert mixed == [targets[n - 1] for n in human]
    whole = run_distill("--mix-human", 1, name="all")
    assert lines(whole / "bpe" / "train.de")[SIZE:] == targets


def test_extra_text_is_cleaned_and_translated(
    run_distill: Run, corpus: Path, teacher: StubTeacher, tmp_path: Path
) -> None:
    known = lines(corpus / "raw" / "train.en")[0]
    text = ["a new one", "", ENGLISH[0], known, "a new one", "b c"]
    (tmp_path / "mono.en").write_text("\n".join(text) + "\n")
    out = run_distill("--mono", tmp_path / "mono.en", "--shards", 1, "--shard", 0)
    out = run_distill("--mono", tmp_path / "mono.en", "--merge")
    tok = lines(out / "tok" / "train.en")[SIZE:]
    assert tok == ["a new one", "b c"]
    assert lines(out / "tok" / "train.de")[SIZE:] == ["one new a", "c b"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"]["mono"] == {
        "empty": 1,
        "in test": 1,
        "in train": 1,
        "kept": 2,
        "repeated": 1,
    }
    assert manifest["mono"] == {"mono.en": sha256(tmp_path / "mono.en")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            gzip.compress(b"gut\n\xfcbel\n", mtime=0),
            r"line 2: byte 1 of the line \(0xfc\)",
        ),
        (
            gzip.compress(b"a new one\n" * 50, mtime=0)[:-12],
            "is not a complete .gz file",
        ),
        (gzip.compress(b"\n \n", mtime=0), "No sentence of .* can be used"),
    ],
)
def test_unusable_extra_text_is_refused(
    run_distill: Run, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "mono.en.gz").write_bytes(content)
    with pytest.raises(SystemExit, match=rf"mono\.en\.gz.*{message}|{message}"):
        run_distill("--mono", tmp_path / "mono.en.gz")
    assert read_folder(tmp_path / "distilled") == {}
    assert leftovers(tmp_path) == []
