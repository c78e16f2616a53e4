"""Tests of distill.py with a stand-in for the teacher."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import distill
import prepare
import pytest
from corpus_helpers import leftovers, read_folder

# Translates a line into its number, out of order as fairseq-generate does.
TEACHER = """
import sys
print("S-0 noise")
for number in {order}:
    print(f"T-{{number}}\\tignored")
    print(f"H-{{number}}\\t-0.5\\t{text}")
    print(f"D-{{number}}\\t-0.5\\tignored")
{end}
"""


@pytest.fixture
def corpus(
    write_raw: Callable[..., Path], run_prepare: Callable[..., Path], tmp_path: Path
) -> Path:
    (tmp_path / "teacher.pt").write_text("weights")
    return run_prepare(write_raw())


@pytest.fixture
def run_distill(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    def run(
        order: str = "[2, 0, 1]", text: str = "Satz@@ {number} .", end: str = ""
    ) -> Path:
        script = TEACHER.format(order=order, text=text, end=end)
        command = [sys.executable, "-c", script]
        monkeypatch.setattr(distill, "teacher_command", lambda *_: command)
        out = tmp_path / "distilled"
        arguments = ["--teacher", str(tmp_path / "teacher.pt"), "--data", str(corpus)]
        distill.main([*arguments, "--out", str(out)])
        return out

    return run


def test_training_targets_are_the_teachers(
    run_distill: Callable[..., Path], corpus: Path
) -> None:
    human, distilled = read_folder(corpus), read_folder(run_distill())
    assert distilled["bpe/train.de"].decode() == "Satz@@ 0 .\nSatz@@ 1 .\nSatz@@ 2 .\n"
    assert distilled["tok/train.de"].decode() == "Satz0 .\nSatz1 .\nSatz2 .\n"
    assert distilled["raw/train.de"].decode() == "Satz0.\nSatz1.\nSatz2.\n"
    for name in set(human) - {f"{f}/train.de" for f in ("raw", "tok", "bpe")}:
        if name in ("raw/train.en", "bin/train.de.bin"):
            continue
        assert distilled[name] == human[name], name


def test_second_run_does_not_call_the_teacher(
    run_distill: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_folder(run_distill())
    assert read_folder(run_distill(end="sys.exit('called')")) == before
    assert capsys.readouterr().err.count("already done, reused") == 5


def test_empty_translations_are_dropped_with_their_source(
    run_distill: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = read_folder(run_distill(text="{['Ja .', '', 'Nein .'][number]}"))
    assert "dropped 1 empty pairs (lines 2)" in capsys.readouterr().err
    assert files["bpe/train.de"].decode() == "Ja .\nNein .\n"
    assert files["tok/train.en"].count(b"\n") == 2


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"order": "[0, 2]"}, "all 3 training sentences, but left out 1 .*line 2 of"),
        (
            {"end": "raise ValueError('sizes exceed max positions')"},
            "fairseq-generate failed: ValueError: sizes exceed max positions",
        ),
        (
            {"end": "raise OSError(28, 'No space left on device')"},
            "The disk is full",
        ),
    ],
)
def test_failing_teacher_is_a_sentence(
    run_distill: Callable[..., Path],
    tmp_path: Path,
    teacher: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        run_distill(**teacher)
    assert read_folder(tmp_path / "distilled") == {}
    assert leftovers(tmp_path) == []
    run_distill()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("bin/dict.de.txt", r"dict\.de\.txt is missing; run prepare\.py first"),
        ("bin/text.json", r"text\.json is missing; run prepare\.py first"),
        ("bpe/bpe.codes", r"bpe\.codes is missing; run prepare\.py first"),
        ("../teacher.pt", r"The teacher's checkpoint, \S+teacher\.pt, is missing"),
    ],
)
def test_missing_files_are_named(
    run_distill: Callable[..., Path], corpus: Path, missing: str, message: str
) -> None:
    (corpus / missing).unlink()
    with pytest.raises(SystemExit, match=message):
        run_distill()


def test_separate_dictionaries_are_refused(
    run_distill: Callable[..., Path], corpus: Path
) -> None:
    (corpus / "bin" / "dict.en.txt").write_text("b 2\n")
    with pytest.raises(SystemExit, match="must be one joint dictionary, but differ"):
        run_distill()


def test_corpus_must_not_overwrite_itself(corpus: Path, tmp_path: Path) -> None:
    arguments = ["--teacher", str(tmp_path / "teacher.pt"), "--data", str(corpus)]
    with pytest.raises(SystemExit, match="--out must not be the folder of --data"):
        distill.main([*arguments, "--out", str(corpus / ".." / corpus.name)])


def test_teacher_command_asks_for_subwords(tmp_path: Path) -> None:
    plan = prepare.Plan(tmp_path, tmp_path, "en", "de")
    decoding = distill.Decoding(tmp_path / "t.pt", 4, 16_000, "bfloat16")
    command = " ".join(distill.teacher_command(plan, decoding))
    assert re.search(r"--beam 4 --max-tokens 16000 --autocast bfloat16", command)
    assert "--remove-bpe" not in command
    assert "--skip-invalid-size-inputs" not in command
