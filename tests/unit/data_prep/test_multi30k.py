"""Tests of multi30k_ende.sh: names, checksums, broken and missing files."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import read_folder

from data_prep import multi30k_raw

NAMES = tuple(multi30k_raw.SHA256)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in NAMES:
        text = f"Text von {name} \nZwölf.\t\n"
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


@pytest.fixture
def unpack(data: Path, tmp_path: Path) -> Callable[..., Path]:
    def run(*options: str) -> Path:
        out = tmp_path / "out"
        multi30k_raw.main(["--data", str(data), "--out", str(out), *options])
        return out / "raw"

    return run


def test_files_get_the_names_of_the_corpus(unpack: Callable[..., Path]) -> None:
    files = read_folder(unpack())
    names = {
        f"{s}.{lang}"
        for s in ("train", "valid", "test", "test1")
        for lang in ("en", "de")
    }
    assert set(files) == names
    assert files["test1.de"].decode() == "Text von test_2017_flickr.de\nZwölf.\n"


def test_unofficial_text_is_refused_after_a_download(
    unpack: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="does not hold the official Multi30k text"):
        unpack("--official")
    unpack()
    assert "note: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), r"val\.de\.gz is missing"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-12]),
            r"val\.de\.gz is not a complete \.gz file",
        ),
        (
            lambda path: path.write_bytes(b"<html>"),
            r"val\.de\.gz is not a complete \.gz file",
        ),
        (
            lambda path: path.write_bytes(gzip.compress(b"gut\n\xfcbel\n")),
            r"val\.de\.gz, line 2: byte 1 of the line \(0xfc\) is not UTF-8",
        ),
    ],
)
def test_broken_files_are_refused(
    unpack: Callable[..., Path],
    data: Path,
    change: Callable[[Path], object],
    message: str,
) -> None:
    change(data / "val.de.gz")
    with pytest.raises(SystemExit, match=message):
        unpack()
    assert not (data.parent / "out" / "raw").exists()


def test_script_downloads_and_checks(data: Path, scripts: Path, tmp_path: Path) -> None:
    """From a folder in place of the network; a broken download is continued."""
    out = tmp_path / "downloaded"
    (out / "download").mkdir(parents=True)
    half = (data / "train.en.gz").read_bytes()[:30]
    (out / "download" / "train.en.gz.part").write_bytes(half)
    environment = {
        **os.environ,
        "MULTI30K_URL": data.as_uri(),
        "PYTHON": sys.executable,
    }
    command = ["bash", str(scripts / "multi30k_ende.sh"), "--out", str(out)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert read_folder(out / "download") == read_folder(data)
    assert result.returncode == 1, "this text is not the official one"
    assert "does not hold the official Multi30k text" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "error: --out, the folder to write to, must be given."),
        (["--out"], "error: --out needs a value."),
    ],
)
def test_script_refuses_wrong_options(
    scripts: Path, options: list[str], message: str
) -> None:
    command = ["bash", str(scripts / "multi30k_ende.sh"), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr.strip()) == (1, message)
