"""What fairseq takes apart is refused before any work; own folders are described."""

import json
import re
from pathlib import Path

import pytest
from fairseq.data import Dictionary

from data_prep import prepare
from data_prep.lib import binarise
from data_prep.lib.names import check_dictionary, check_languages, check_path
from data_prep.lib.steps import UserError
from vq_nat.translation.codec import TextCodec


@pytest.mark.parametrize("sign", [":", ",", "${"])
def test_paths_that_fairseq_takes_apart(tmp_path: Path, sign: str) -> None:
    message = re.escape(f"--out must have no {sign!r} in its path")
    with pytest.raises(UserError, match=message):
        check_path(tmp_path / f"a{sign}b", "--out")
    check_path(Path("a-b.c_d"), "--out")


@pytest.mark.parametrize("out", ["a,b", "a:b", "a${x}b"])
def test_prepare_refuses_before_any_work(tmp_path: Path, out: str) -> None:
    words = ["--raw", str(tmp_path), "--source-lang", "en", "--target-lang", "de"]
    with pytest.raises(SystemExit, match="--out must have no"):
        prepare.main([*words, "--out", str(tmp_path / out)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("en", "en", "must differ, .* but both are 'en' instead"),
        ("en", "", "but is '' instead"),
        ("en.de", "de", r"but is 'en\.de' instead"),
        ("en", "../de", r"but is '\.\./de' instead"),
    ],
)
def test_languages_that_name_no_files(source: str, target: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_languages(source, target)
    check_languages("en_GB", "zh-Hant")


def test_a_sentencepiece_vocabulary_is_no_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "joint.vocab"
    path.write_text("<unk>\t0\n<s>\t0\n")
    with pytest.raises(UserError, match=r"joint.vocab, line 1: .* a tab and a score"):
        check_dictionary(path)
    path.write_text("a 3\nb many\n")
    with pytest.raises(UserError, match=r"line 2: must be a symbol, .* is 'b many'"):
        check_dictionary(path)


def test_fairseqs_own_dictionaries_pass(tmp_path: Path) -> None:
    words = Dictionary()
    for symbol in ("a", "▁b", "#", "c@@", "\u2028"):
        words.add_symbol(symbol)
    words.save(str(tmp_path / "dict.txt"))
    with open(tmp_path / "dict.txt", "a", encoding="utf-8") as file:
        file.write("<pad> 1 #fairseq:overwrite\n")
    check_dictionary(tmp_path / "dict.txt")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("begun\nTraceback\n  File x\nValueError: no\n", "ValueError: no"),
        (
            'a\nValueError: Incorrect, expected "<t>\n"\n',
            'ValueError: Incorrect, expected "<t> "',
        ),
        (
            "OSError: first\nmore\nsome.module.MyError: last.",
            "some.module.MyError: last",
        ),
        ("just a line\n", "just a line"),
        ("", "no message"),
    ],
)
def test_the_reason_is_the_last_error_and_not_the_last_line(
    log: str, reason: str
) -> None:
    assert binarise.last_error(log) == reason


def describe(folder: Path, *options: str) -> None:
    words = ["--describe", str(folder), "--source-lang", "en", "--target-lang", "de"]
    prepare.main([*words, *options])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder as fairseq-preprocess leaves it."""
    for lang in ("en", "de"):
        (tmp_path / f"dict.{lang}.txt").write_text("a 3\nb 2\n")
    return tmp_path


def test_a_folder_made_elsewhere_is_described(own: Path, tmp_path: Path) -> None:
    codes = tmp_path / "my.codes"
    codes.write_text("#version: 0.2\na b</w>\n")
    describe(own, "--bpe-codes", str(codes))
    described = json.loads((own / "text.json").read_text())
    assert set(described.pop("sha256")) == {"bpe.codes", "dict.en.txt", "dict.de.txt"}
    assert described == {
        "source_lang": "en",
        "target_lang": "de",
        "tokenizer": "moses",
        "bpe": "subword_nmt",
    }
    dictionary = Dictionary.load(str(own / "dict.en.txt"))
    codec = TextCodec(own, dictionary, dictionary)
    assert codec.decode(codec.encode("b a")[:-1]) == "b a"


def test_what_a_description_lacks_is_named(own: Path) -> None:
    with pytest.raises(SystemExit, match=r"bpe\.codes is missing; --bpe-codes FILE"):
        describe(own)
    (own / "bpe.codes").write_text("nonsense")
    with pytest.raises(SystemExit, match="does not hold BPE codes"):
        describe(own)
    (own / "dict.de.txt").unlink()
    with pytest.raises(SystemExit, match=r"dict\.de\.txt is missing; --describe"):
        describe(own)
    assert not (own / "text.json").exists()
