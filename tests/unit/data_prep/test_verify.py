"""Tests of verify.py: what it accepts, and that every fault is found and named."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_teacher import StubTeacher

from data_prep import distill, verify
from data_prep.lib import manifest, teachers
from vq_nat.files import sha256

Run = Callable[..., Path]


@pytest.fixture
def human(write_raw: Run, run_prepare: Run) -> Path:
    english = [f"{word} {other}" for word in "abcdef" for other in "ghijkl"]
    german = [f"Satz {n}." for n in range(len(english))]
    raw = write_raw(train_en="\n".join(english), train_de="\n".join(german))
    return run_prepare(raw)


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A teacher to whom only a reversed source is probable."""

    def losses(_: Path, __: Path, pairs: list[tuple[str, str]]) -> list[float]:
        stub = StubTeacher()
        return [float(stub.text(source) != target) for source, target in pairs]

    monkeypatch.setattr(teachers, "load_teacher", StubTeacher().load)
    monkeypatch.setattr(teachers, "target_losses", losses)
    monkeypatch.setattr(teachers, "resolve_precision", lambda *_: "float32")
    path = tmp_path / "teacher.pt"
    path.write_text("weights")
    return path


@pytest.fixture
def corpus(human: Path, teacher: Path, tmp_path: Path) -> Path:
    out = tmp_path / "distilled"
    arguments = ["--teacher", str(teacher), "--data", str(human), "--out", str(out)]
    arguments += ["--device", "cpu", "--workers", "1", "--mix-human", "0.05"]
    distill.main([*arguments, "--no-evaluation"])
    return out


def forge(corpus: Path, name: str, content: str) -> None:
    """Change a file and make the manifest agree."""
    (corpus / name).write_text(content, encoding="utf-8")
    path = corpus / manifest.NAME
    content_of = json.loads(path.read_text("utf-8"))
    content_of["files"][name] = sha256(corpus / name)
    path.write_text(json.dumps(content_of), encoding="utf-8")


def faults(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    with pytest.raises(SystemExit, match="^error: .* has [0-9]+ faults"):
        verify.main([str(argument) for argument in arguments])
    return re.findall(r"^wrong: (.*)$", capsys.readouterr().err, re.MULTILINE)


def test_a_fresh_corpus_is_right(
    corpus: Path, human: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [corpus, "--data", human, "--teacher", teacher]
    verify.main([str(argument) for argument in arguments])
    log = capsys.readouterr().err
    assert log.count(": ok") == len(verify.CHECKS)
    # Of the pairs some are human, which this teacher finds improbable either way.
    assert "0.000 aligned" not in log and "1.000 shuffled" in log


@pytest.mark.parametrize("name", ["bpe/train.de", "bin/train.de.bin"])
def test_a_changed_or_missing_file_is_named(
    corpus: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (corpus / name).write_bytes(b"x" + (corpus / name).read_bytes())
    assert faults(capsys, corpus) == [
        f"{corpus / name} is not the file that the manifest describes."
    ]
    (corpus / name).unlink()
    assert f"{corpus / name} is missing." in faults(capsys, corpus)[0]


def test_misaligned_sides_are_found(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (corpus / "tok/train.de").read_text("utf-8")
    forge(corpus, "tok/train.de", lines + "noch einer\n")
    [fault] = faults(capsys, corpus)
    assert fault.startswith("Both sides must have the same number of lines, but")


def test_a_test_sentence_in_training_is_found(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaked = (corpus / "tok/test.en").read_text("utf-8").splitlines()[1]
    lines = (corpus / "tok/train.en").read_text("utf-8").splitlines()
    lines[4] = leaked
    forge(corpus, "tok/train.en", "\n".join(lines) + "\n")
    [fault] = faults(capsys, corpus)
    assert re.search(r"holds 1 sentences of \S+test\.en: line 5 is its line 2", fault)


def test_a_test_set_that_is_not_human_is_found(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(corpus, "raw/test.de", "Eins.\nZwei.\nDrei.\n")
    [fault] = faults(capsys, corpus)
    assert "raw/test.de is not the human text that the manifest" in fault


def test_sources_of_another_corpus_are_found(
    corpus: Path, human: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = human / "bpe" / "train.en"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:7], lines[0], *lines[8:]]) + "\n", "utf-8")
    [fault] = faults(capsys, corpus, "--data", human)
    assert "train.origin, line 8: the source is not line 8 of the human" in fault
    path.write_text("\n".join(lines[:7]) + "\n", "utf-8")  # has no line 8
    assert faults(capsys, corpus, "--data", human) == [fault]


def test_shifted_targets_are_found_by_the_teacher(
    corpus: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (corpus / "bpe/train.de").read_text("utf-8").splitlines()
    forge(corpus, "bpe/train.de", "\n".join(lines[1:] + lines[:1]) + "\n")
    [fault] = faults(capsys, corpus, "--teacher", teacher)
    assert "in 90 % of the pairs, but does in 0 % instead" in fault


def test_another_teacher_is_noticed(
    corpus: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher.write_text("other weights")
    [fault] = faults(capsys, corpus, "--teacher", teacher)
    assert "teacher.pt is not the teacher that the manifest names" in fault


def test_without_a_manifest_nothing_is_verified(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"manifest\.json is missing"):
        verify.main([str(tmp_path)])
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(SystemExit, match="must be a manifest of version 1, but is not"):
        verify.main([str(tmp_path)])
