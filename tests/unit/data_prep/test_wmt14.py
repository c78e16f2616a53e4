"""Tests of wmt14_ende.sh on small archives with the official layout."""

import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from corpus_helpers import leftovers, read_folder
from warm_python import warm_python

from data_prep import wmt14_raw

TESTED = "This very sentence is tested."
TRAIN = {
    "training-parallel-europarl-v7.tgz": [
        ("Resumption of the session", "Wiederaufnahme der Sitzung"),
        ("", "Nur eine Seite"),
        ("Madam President", "Frau Präsidentin, " + "sehr " * 40),
    ],
    "training-parallel-commoncrawl.tgz": [
        (TESTED, "Dieser Satz wird geprüft."),
        ("Please come to the house", "Bitte kommen Sie in das Haus"),
    ],
    "training-parallel-nc-v9.tgz": [
        ("Gold at ten thousand dollars", "Gold bei zehntausend Dollar"),
        ("word " * 10_000, "Wort " * 10_000),
    ],
}


def sgm(lines: list[str]) -> str:
    rows = [f'<seg id="{n}">{line}</seg>' for n, line in enumerate(lines, start=1)]
    return "\n".join(['<srcset setid="newstest2014">', *rows, "</srcset>"]) + "\n"


def contents() -> dict[str, dict[str, bytes]]:
    """The members of each archive, and some that are not wanted."""
    archives = {}
    for name, pairs in TRAIN.items():
        sides = ("\n".join(side) + "\n" for side in zip(*pairs, strict=True))
        members = wmt14_raw.ARCHIVES[name].members
        archives[name] = {m: s.encode() for m, s in zip(members, sides, strict=True)}
        archives[name]["training/other.fr-en.fr"] = b"autre\n"
    dev = {"dev/newstest2013.en": b"A valid one.\n", "dev/newstest2013.de": b"Ja.\n"}
    english, german = wmt14_raw.ARCHIVES["test-full.tgz"].members
    test = {english: sgm([TESTED]).encode(), german: sgm(["Geprüft."]).encode()}
    return {**archives, "dev.tgz": dev, "test-full.tgz": test}


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write_sums(mirror: Path) -> None:
    rows = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(mirror.glob("*.tgz"))
    ]
    (mirror / "SHA256SUMS").write_text("".join(rows))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, members in contents().items():
        write_archive(folder / name, members)
    write_sums(folder)
    return folder


@pytest.fixture
def unpack(mirror: Path, tmp_path: Path) -> Callable[[], Path]:
    def run() -> Path:
        arguments = ["--out", str(tmp_path / "out"), "--mirror", str(mirror)]
        wmt14_raw.main(arguments)
        return tmp_path / "out" / "raw"

    return run


def test_corpora_become_raw_text_in_order(unpack: Callable[[], Path]) -> None:
    raw = unpack()
    pairs = [pair for of_one in TRAIN.values() for pair in of_one]
    for lang, side in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        lines = (raw / f"train.{lang}").read_text("utf-8").split("\n")[:-1]
        assert lines == [line.strip() for line in side]
    assert (raw / "test.en").read_text("utf-8") == TESTED + "\n"
    assert (raw / "test.de").read_text("utf-8") == "Geprüft.\n"
    assert set(read_folder(raw)) == {
        f"{split}.{lang}" for split in ("train", "valid", "test") for lang in LANGS
    }


LANGS = ("en", "de")


@pytest.mark.parametrize("bpe", ["subword_nmt", "sentencepiece"])
def test_the_real_script_makes_a_corpus(
    mirror: Path, scripts: Path, tmp_path: Path, bpe: str
) -> None:
    out = tmp_path / "out"
    command = ["bash", str(scripts / "wmt14_ende.sh"), "--out", str(out)]
    command += ["--mirror", str(mirror), "--workers", "2", "--bpe", bpe]
    command += ["--bpe-operations", "80"]
    environment = {**os.environ, "PYTHON": warm_python()}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for reason, line in (
        ("empty", 2),
        ("too long", 7),
        ("too different in length", 3),
        ("tested", 4),
    ):
        assert f"train, dropped 1 {reason} pairs (lines {line})" in result.stderr
    files = read_folder(out)
    codes = {"subword_nmt": "bpe.codes", "sentencepiece": "sentencepiece.model"}[bpe]
    assert files[f"bin/{codes}"] == files[f"bpe/{codes}"]
    assert files["bpe/train.en"].count(b"\n") == 3
    assert {"bin/train.en-de.en.bin", "bin/test.en-de.de.idx"} <= set(files)
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.stderr.count("already done, reused") == 4
    assert read_folder(out) == files


def change_members(mirror: Path, name: str, change: Callable[[dict], object]) -> None:
    members = contents()[name]
    change(members)
    write_archive(mirror / name, members)
    write_sums(mirror)


NC = "training-parallel-nc-v9.tgz"
NC_EN, NC_DE = wmt14_raw.ARCHIVES[NC].members


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda mirror: change_members(mirror, NC, lambda m: m.pop(NC_DE)),
            rf"archive \S+{NC} must hold {NC_DE}, but does not",
        ),
        (
            lambda mirror: change_members(
                mirror, NC, lambda m: m.update({NC_DE: b"eins\n\xfcber\n"})
            ),
            rf"{NC}/{NC_DE}, line 2: byte 1 of the line \(0xfc\) is not UTF-8",
        ),
        (
            lambda mirror: change_members(
                mirror, NC, lambda m: m.update({NC_EN: b"one\n"})
            ),
            "must have the same number of lines",
        ),
        (
            lambda mirror: (mirror / NC).write_bytes(b"<html>"),
            rf"{NC}\.part must have the sha256 \w+, but has \w+ instead; delete it",
        ),
        (
            lambda mirror: (
                (mirror / NC).write_bytes((mirror / NC).read_bytes()[:150]),
                write_sums(mirror),
            ),
            rf"{NC} is not a complete archive",
        ),
        (
            lambda mirror: (mirror / NC).unlink(),
            rf"{NC} could not be downloaded \(.*\); run this again",
        ),
    ],
)
def test_bad_archives_are_refused(
    unpack: Callable[[], Path],
    mirror: Path,
    tmp_path: Path,
    change: Callable[[Path], object],
    message: str,
) -> None:
    change(mirror)
    with pytest.raises(SystemExit, match=rf"^error: .*{message}"):
        unpack()
    assert not (tmp_path / "out" / "raw").exists()
    assert leftovers(tmp_path) == []


def test_without_sums_of_its_own_a_mirror_must_have_the_official_files(
    unpack: Callable[[], Path], mirror: Path, tmp_path: Path
) -> None:
    (mirror / "SHA256SUMS").unlink()
    with pytest.raises(
        SystemExit, match=r"europarl-v7\.tgz\.part must have the sha256"
    ):
        unpack()
    assert not list((tmp_path / "out" / "download").glob("*.tgz*"))


# ------------------------------------------------------------- over the network, broken


class Server(http.server.SimpleHTTPRequestHandler):
    """Breaks off in the middle of every file, once, and continues on demand."""

    asked: list[str] = []
    broken: set[str] = set()

    def do_GET(self) -> None:  # noqa: N802
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content, start = path.read_bytes(), 0
        if wanted := self.headers.get("Range"):
            self.asked.append(path.name)
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if path.suffix == ".tgz" and path.name not in self.broken:
            self.broken.add(path.name)
            content = content[: start + (len(content) - start) // 2]
        self.wfile.write(content[start:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(mirror: Path) -> Iterator[str]:
    Server.asked, Server.broken = [], set()
    handler = partial(Server, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_broken_download_is_continued(
    address: str, mirror: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name in wmt14_raw.ARCHIVES:
        with pytest.raises(SystemExit, match=r"broke off after \d+ of \d+ bytes"):
            wmt14_raw.main(["--out", str(out), "--mirror", address])
        assert (out / "download" / f"{name}.part").is_file()
        assert not (out / "download" / name).exists()
    wmt14_raw.main(["--out", str(out), "--mirror", address])
    assert Server.asked == list(wmt14_raw.ARCHIVES)
    for name in wmt14_raw.ARCHIVES:
        assert (out / "download" / name).read_bytes() == (mirror / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "error: --out, the folder to write to, must be given."),
        (["--mirror"], "error: --mirror needs a value."),
    ],
)
def test_script_refuses_wrong_options(
    scripts: Path, options: list[str], message: str
) -> None:
    command = ["bash", str(scripts / "wmt14_ende.sh"), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr.strip()) == (1, message)
