"""Tests of longtext_ende.sh: which files become which set, and what is missing."""

import gzip
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import ENGLISH, GERMAN, read_folder

from data_prep import prepare


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "my data"
    folder.mkdir()
    for name in ("train", "valid", "test_docs", "newstest2014"):
        for lang, lines in (("en", ENGLISH), ("de", GERMAN)):
            told = [f"{name}: {line}" for line in lines]
            text = "\n".join(told) + "\n"
            (folder / f"{name}.{lang}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


@pytest.fixture
def asked(scripts: Path) -> Callable[..., list[str]]:
    """Returns what the script asks of prepare.py."""

    def run(*options: str) -> list[str]:
        line = r'printf "%q " "${@:2}"'
        call = f'p() {{ {line}; }}; export -f p; PYTHON=p exec bash "$@"'
        script = str(scripts / "longtext_ende.sh")
        result = subprocess.run(
            ["bash", "-c", call, "bash", script, *options],
            capture_output=True,
            text=True,
            env={**os.environ},
        )
        if result.returncode:
            raise RuntimeError(result.stderr.strip())
        return shlex.split(result.stdout)

    return run


def test_the_files_become_the_sets(
    data: Path, asked: Callable[..., list[str]], tmp_path: Path, fast_binariser: None
) -> None:
    out = tmp_path / "out"
    options = ["--out", str(out), "--data", str(data), "--bpe-operations", "40"]
    words = asked(*options, "--workers", "1")
    prepare.main(words)
    files = read_folder(out / "raw")
    for name, kept in (("test", "test_docs"), ("test1", "newstest2014")):
        assert files[f"{name}.en"].decode().startswith(f"{kept}: {ENGLISH[0]}\n")
        assert files[f"{name}.de"].decode().count(f"{kept}: ") == len(GERMAN)
    assert files["train.de"].decode().startswith(f"train: {GERMAN[0]}\n")
    assert set(files) == {
        f"{split}.{lang}"
        for split in ("train", "valid", "test", "test1")
        for lang in ("en", "de")
    }
    before = read_folder(out)
    prepare.main(words)
    assert read_folder(out) == before


def test_a_missing_file_is_named(
    data: Path, asked: Callable[..., list[str]], tmp_path: Path
) -> None:
    (data / "newstest2014.de.gz").unlink()
    words = asked("--out", str(tmp_path / "out"), "--data", str(data))
    with pytest.raises(SystemExit, match=r"my data/newstest2014\.de\.gz is missing"):
        prepare.main(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "x"], "error: --out, the folder to write to, must be given."),
        (["--out", "x"], "error: --data, the folder of the text files, must be given."),
        (["--out", "x", "--data"], "error: --data needs a value."),
    ],
)
def test_script_refuses_wrong_options(
    asked: Callable[..., list[str]], options: list[str], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        asked(*options)
