"""Tests of prepare.py: the files it makes, what it refuses, what it drops."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import ENGLISH, GERMAN, leftovers, read_folder

from data_prep.lib import binarise
from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError

Run = Callable[..., Path]


def fails(capsys: pytest.CaptureFixture[str], run: Callable[[], object]) -> str:
    """Run something that must end as a user's mistake; return the sentence."""
    with pytest.raises(SystemExit) as caught:
        run()
    assert isinstance(caught.value.code, str), "exit status 1 with a message"
    assert re.fullmatch(r"error: .*\.", caught.value.code), "one sentence, one line"
    return caught.value.code


def test_makes_the_documented_files(write_raw: Run, run_prepare: Run) -> None:
    out = run_prepare(write_raw())
    files = read_folder(out)
    for split in ("train", "valid", "test"):
        for lang in ("en", "de"):
            for folder in ("raw", "tok", "bpe"):
                assert files[f"{folder}/{split}.{lang}"].count(b"\n") == 3
    assert files["bin/bpe.codes"] == files["bpe/bpe.codes"]
    assert json.loads(files["bin/text.json"]) == {
        "source_lang": "en",
        "target_lang": "de",
        "tokenizer": "moses",
        "bpe": "subword_nmt",
        "plain_quotes": ["en"],
        "sha256": {
            name: hashlib.sha256(files[f"bin/{name}"]).hexdigest()
            for name in ("bpe.codes", "dict.en.txt", "dict.de.txt")
        },
    }
    assert files["tok/train.en"].decode().split("\n")[1] == (
        "Two well @-@ known dogs run ."
    )
    assert files["bpe/train.en"].decode().replace("@@ ", "") == (
        files["tok/train.en"].decode()
    )


def test_second_run_reuses_everything(
    write_raw: Run,
    run_prepare: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = write_raw()
    out = run_prepare(raw)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    capsys.readouterr()
    run_prepare(raw)
    assert capsys.readouterr().err.count("already done, reused") == 4
    for path, time in before.items():
        if not path.name.startswith("."):
            assert path.stat().st_mtime_ns == time, path


@pytest.mark.parametrize(
    ("options", "redone"),
    [((), []), (("--bpe-operations", "5"), ["bpe", "bin"])],
)
def test_a_changed_option_redoes_its_step_and_the_later_ones(
    write_raw: Run, run_prepare: Run, options: tuple[str, ...], redone: list[str]
) -> None:
    raw = write_raw()
    out = run_prepare(raw)
    inodes = {step: (out / step).stat().st_ino for step in ("tok", "bpe", "bin")}
    run_prepare(raw, *options)
    changed = [step for step, i in inodes.items() if (out / step).stat().st_ino != i]
    assert changed == redone


@pytest.mark.parametrize("damage", ["edit", "remove", "stamp"])
def test_a_damaged_step_is_redone(
    write_raw: Run, run_prepare: Run, damage: str
) -> None:
    raw = write_raw()
    out = run_prepare(raw)
    before = read_folder(out)
    if damage == "edit":
        (out / "tok" / "train.de").write_text("Nur das .\n")
    elif damage == "remove":
        (out / "bpe" / "valid.en").unlink()
    else:
        (out / ".done" / "bpe.json").write_text("{")
    run_prepare(raw)
    assert read_folder(out) == before


def test_raw_text_may_already_be_in_place(write_raw: Run, run_prepare: Run) -> None:
    elsewhere = run_prepare(write_raw())
    here = write_raw().rename(write_raw().parent / "raw")
    out = run_prepare(here, out=here.parent)
    for folder in ("raw", "tok", "bpe", "bin"):
        assert read_folder(out / folder) == read_folder(elsewhere / folder)


def test_numbered_test_sets_and_renderings_are_kept(
    write_raw: Run, run_prepare: Run
) -> None:
    raw = write_raw()
    for lang, lines in (("en", ENGLISH), ("de", GERMAN)):
        (raw / f"test1.{lang}").write_text(lines[0] + "\n", encoding="utf-8")
    (raw / "test.refs.json").write_text("[]")
    files = read_folder(run_prepare(raw))
    assert files["bpe/test1.de"].count(b"\n") == 1
    assert files["raw/test.refs.json"] == b"[]"


def test_targets_keep_their_quotation_marks(write_raw: Run, run_prepare: Run) -> None:
    text = {"train_en": "“Yes”, he’s here.", "train_de": "„Ja“, er ist’s."}
    raw = write_raw(**text)
    files = read_folder(run_prepare(raw))
    assert files["tok/train.en"].decode().startswith("&quot; Yes &quot; , he &apos;s")
    assert files["tok/train.de"].decode().startswith("„ Ja “ , er ist &apos; s")
    assert json.loads(files["bin/text.json"])["plain_quotes"] == ["en"]
    files = read_folder(run_prepare(raw, "--plain-quotes"))
    assert files["tok/train.de"].decode().startswith("&quot; Ja &quot; , er")
    assert "plain_quotes" not in json.loads(files["bin/text.json"])


def test_given_codes_are_used(write_raw: Run, run_prepare: Run, tmp_path: Path) -> None:
    codes = tmp_path / "codes"
    codes.write_text("#version: 0.2\nr i\n")
    out = run_prepare(write_raw(), "--bpe-codes", str(codes))
    assert (out / "bin" / "bpe.codes").read_text() == codes.read_text()
    assert "ri@@ d@@ e@@ s" in (out / "bpe" / "train.en").read_text()


def test_workers_do_not_change_the_result(
    write_raw: Run,
    run_prepare: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("data_prep.lib.text.LINES_PER_CHUNK", 7)
    lines = {"en": ENGLISH * 20, "de": GERMAN * 20}
    raw = write_raw(**{f"train_{k}": "\n".join(v) for k, v in lines.items()})
    one = run_prepare(raw, out=tmp_path / "one")
    two = run_prepare(raw, "--workers", "2", out=tmp_path / "two")
    assert read_folder(one) == read_folder(two)


# ------------------------------------------------------------------ dropped, refused


def test_unusable_training_pairs_are_dropped_and_counted(
    write_raw: Run, run_prepare: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    english = [ENGLISH[0], "", ENGLISH[1], "long " * 50, ENGLISH[2], "\x07"]
    german = [GERMAN[0], "leer", " ", "lang", GERMAN[2], "leer"]
    raw = write_raw(train_en="\n".join(english), train_de="\n".join(german))
    out = run_prepare(raw, "--max-length", "40")
    log = capsys.readouterr().err
    assert "train, dropped 3 empty pairs (lines 2, 3, 6)" in log
    assert "train, dropped 1 too long pairs (lines 4)" in log
    for lang, kept in (("en", ENGLISH), ("de", GERMAN)):
        lines = (out / "bpe" / f"train.{lang}").read_text(encoding="utf-8")
        words = lines.replace("@@ ", "").splitlines()
        assert [line[0] for line in words] == [kept[0][0], kept[2][0]]
    assert (out / "tok" / "train.en").read_text().count("\n") == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("valid_de", "Eins.\n\nDrei.", r"raw/valid\.de, line 2: the sentence is empty"),
        ("test_en", "One.\nTwo.\n\t", r"raw/test\.en, line 3: the sentence is empty"),
        (
            "test_de",
            "Eins.\n" + "zu lang " * 30 + "\nDrei.",
            r"raw/test\.de, line 2: the sentence is too long "
            r"\(\d+ subwords; --max-length is 40\)",
        ),
        (
            "train_de",
            "Eins.\nZwei.",
            r"same number of lines, but \S+train\.en has 3 and \S+train\.de has 2",
        ),
        (
            "test_en",
            "One.\nTwo.\nThree.\nFour.",
            r"but \S+test\.en has 4 and \S+test\.de has 3 instead",
        ),
        (
            "train_de",
            b"Eins.\nZw" + b"\xf6lf.\nDrei.",
            r"train\.de, line 2: byte 3 of the line \(0xf6\) is not UTF-8",
        ),
        ("valid_en", None, r"The file \S+valid\.en is missing"),
        ("train_en", "", r"but \S+train\.en has 0 and \S+train\.de has 3"),
    ],
)
def test_bad_text_is_refused_in_a_sentence(
    write_raw: Run,
    run_prepare: Run,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    content: str | bytes | None,
    message: str,
) -> None:
    raw = write_raw(**{name: content})
    sentence = fails(capsys, lambda: run_prepare(raw, "--max-length", "40"))
    assert re.search(message, sentence), sentence
    assert not (tmp_path / "out" / "bin").exists()
    assert leftovers(tmp_path) == []


def test_empty_corpus_is_refused(
    write_raw: Run, run_prepare: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write_raw(train_en="", train_de="")
    assert "train.en is empty" in fails(capsys, lambda: run_prepare(raw))
    raw = write_raw(train_en="\n\n", train_de="a\nb\n")
    assert "holds no words" in fails(capsys, lambda: run_prepare(raw))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bpe-operations", "0"), "--bpe-operations must be at least 1, but is 0"),
        (("--max-length", "-3"), "--max-length must be at least 1, but is -3"),
        (("--bpe-codes", "nowhere"), "BPE codes, nowhere, is missing"),
        (("--joined-dict", "nowhere"), "joint dictionary, nowhere, is missing"),
    ],
)
def test_bad_options_are_refused_before_any_work(
    write_raw: Run,
    run_prepare: Run,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    raw = write_raw()
    assert message in fails(capsys, lambda: run_prepare(raw, *options))
    assert not (tmp_path / "out").exists()


def test_codes_that_are_no_codes_are_refused(
    write_raw: Run,
    run_prepare: Run,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    codes = tmp_path / "codes"
    for content in (b"one two three four\n", b"\xff\xfe"):
        codes.write_bytes(content)
        sentence = fails(
            capsys, lambda: run_prepare(write_raw(), "--bpe-codes", str(codes))
        )
        assert f"{codes} does not hold BPE codes" in sentence


def test_failure_of_fairseq_is_passed_on(
    write_raw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with(log: str) -> None:
        result = subprocess.CompletedProcess([], 1, "", log)
        monkeypatch.setattr(binarise, "run_group", lambda *_, **__: result)

    plan = CorpusPlan(write_raw(), tmp_path / "out", "en", "de")
    fail_with("Traceback\nValueError: no such thing.\n")
    with pytest.raises(UserError, match="failed: ValueError: no such thing.$"):
        binarise.run_fairseq_preprocess(plan, tmp_path)
    fail_with("Traceback\nOSError: [Errno 28] No space left on device\n")
    with pytest.raises(OSError, match="No space left"):
        binarise.run_fairseq_preprocess(plan, tmp_path)


def test_command_line_from_anywhere(
    write_raw: Run, scripts: Path, tmp_path: Path
) -> None:
    raw = write_raw(valid_de=None)
    command = [sys.executable, str(scripts / "prepare.py"), "--raw", str(raw)]
    command += ["--out", "out", "--source-lang", "en", "--target-lang", "de"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f"error: The file {raw / 'valid.de'} is missing.\n"
