"""Tests of prepare.py with a user's own files, and of SentencePiece."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import ENGLISH, GERMAN, leftovers, read_folder
from fairseq.data import Dictionary

from data_prep import prepare
from data_prep.lib import text
from vq_nat.translation.codec import TextCodec

Run = Callable[..., Path]


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., list[str]]:
    """Write pairs of files, and return the options that name them."""

    def write(**texts: list[tuple[list[str], list[str]]]) -> list[str]:
        options = []
        standard = {"train": [(ENGLISH, GERMAN)], "valid": [(["Yes ."], ["Ja ."])]}
        standard["test"] = [(["Not seen ."], ["Nicht gesehen ."])]
        for name, pairs in {**standard, **texts}.items():
            options.append(f"--{name}")
            for number, pair in enumerate(pairs):
                for side, lines in zip(("en", "de"), pair, strict=True):
                    path = tmp_path / f"{name}-{number}.{side}"
                    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
                    options.append(str(path))
        return options

    return write


@pytest.fixture
def run_own(tmp_path: Path, fast_binariser: None) -> Callable[..., dict[str, bytes]]:
    def run(*options: str) -> dict[str, bytes]:
        out = tmp_path / "out"
        arguments = ["--out", str(out), "--source-lang", "en", "--target-lang", "de"]
        arguments += ["--bpe-operations", "30", "--workers", "1", *options]
        prepare.main(arguments)
        return read_folder(out)

    return run


def test_files_are_joined_and_test_sets_numbered(
    own: Callable[..., list[str]], run_own: Callable[..., dict[str, bytes]]
) -> None:
    tests = [(["One more ."], ["Noch einer ."]), (["And this ."], ["Und dies ."])]
    options = own(
        train=[(ENGLISH, GERMAN), (["The end ."], ["Das Ende ."])], test=tests
    )
    files = run_own(*options)
    assert files["raw/train.de"].decode().split("\n")[:-1] == [*GERMAN, "Das Ende ."]
    assert files["raw/test1.en"] == b"And this .\n"
    assert files["bpe/train.en"].count(b"\n") == 4


def test_tested_and_ill_matched_pairs_are_dropped(
    own: Callable[..., list[str]],
    run_own: Callable[..., dict[str, bytes]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    english = [*ENGLISH, "Not seen .", "Another one .", "No ."]
    german = [*GERMAN, "Doch .", "Ja .", "Nein nein nein nein nein nein nein nein ."]
    files = run_own(*own(train=[(english, german)]), "--max-ratio", "3")
    log = capsys.readouterr().err
    assert "train, dropped 2 tested pairs (lines 4, 5)" in log
    assert "train, dropped 1 too different in length pairs (lines 6)" in log
    assert files["bpe/train.en"].count(b"\n") == 3
    files = run_own(
        *own(train=[(english, german)]), "--max-ratio", "inf", "--no-drop-tested"
    )
    assert files["bpe/train.en"].count(b"\n") == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda options: options[:2] + options[3:], "is followed by 1 files instead"),
        (lambda options: options[:3], "--valid must be followed by pairs of files"),
        (lambda options: ["--raw", "raw", *options], "Either --raw or --train"),
        (lambda options: [], "Either --raw or --train, --valid and --test must be"),
        (lambda options: [*options[:2], "nowhere", *options[3:]], "nowhere is missing"),
        (lambda options: [*options, "--max-ratio", "0.5"], "at least 1, but is 0.5"),
    ],
)
def test_wrong_options_are_refused(
    own: Callable[..., list[str]],
    run_own: Callable[..., dict[str, bytes]],
    tmp_path: Path,
    change: Callable[[list[str]], list[str]],
    message: str,
) -> None:
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        run_own(*change(own()))
    assert leftovers(tmp_path) == []


def test_misaligned_files_are_named(
    own: Callable[..., list[str]], run_own: Callable[..., dict[str, bytes]]
) -> None:
    options = own(train=[(ENGLISH, GERMAN), (["a"], ["b", "c"])])
    message = r"but \S+train-1\.en has 1 and \S+train-1\.de has 2 instead"
    with pytest.raises(SystemExit, match=message):
        run_own(*options)


def test_sentencepiece_needs_no_words(
    own: Callable[..., list[str]], run_own: Callable[..., dict[str, bytes]]
) -> None:
    files = run_own(*own(), "--bpe", "sentencepiece", "--bpe-operations", "60")
    described = json.loads(files["bin/text.json"])
    hashed = ["dict.de.txt", "dict.en.txt", "sentencepiece.model"]
    assert sorted(described.pop("sha256")) == hashed
    assert described == {
        "source_lang": "en",
        "target_lang": "de",
        "tokenizer": "space",
        "bpe": "sentencepiece",
        "plain_quotes": ["en"],
    }
    subwords = files["bpe/train.en"].decode().split("\n")[:-1]
    assert [text.undo_bpe(line) for line in subwords] == [
        line.replace("“", '"') for line in ENGLISH
    ]
    assert subwords[1].split(" ")[0].startswith(text.BLANK)


def test_a_translator_reads_and_writes_sentencepiece(
    own: Callable[..., list[str]],
    run_own: Callable[..., dict[str, bytes]],
    tmp_path: Path,
) -> None:
    files = run_own(*own(), "--bpe", "sentencepiece", "--bpe-operations", "60")
    dictionary = Dictionary()
    for subword in files["bpe/train.en"].decode().split():
        dictionary.add_symbol(subword)
    codec = TextCodec(tmp_path / "out" / "bin", dictionary, dictionary)
    line = ENGLISH[0]
    assert codec.decode(codec.encode(line)[:-1]) == line.replace("“", '"')


def test_a_broken_sentencepiece_model_is_refused(
    own: Callable[..., list[str]],
    run_own: Callable[..., dict[str, bytes]],
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.model").write_text("no model")
    options = ["--bpe", "sentencepiece", "--bpe-codes", str(tmp_path / "broken.model")]
    with pytest.raises(SystemExit, match="does not hold a SentencePiece model"):
        run_own(*own(), *options)


def test_codes_are_those_of_subword_nmt(
    own: Callable[..., list[str]],
    run_own: Callable[..., dict[str, bytes]],
    tmp_path: Path,
) -> None:
    """Counting words first, for the sake of memory, changes no merge."""
    from io import StringIO

    from subword_nmt.learn_bpe import learn_bpe

    codes = run_own(*own())["bpe/bpe.codes"].decode()
    lines = [
        line
        for lang in ("en", "de")
        for line in (tmp_path / "out" / "tok" / f"train.{lang}").read_text().split("\n")
    ]
    expected = StringIO()
    learn_bpe(lines, expected, 30)
    assert codes == expected.getvalue()
