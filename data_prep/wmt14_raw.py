"""Fetches the archives of WMT'14 English-German and unpacks them into raw text.

Training: Europarl v7, Common Crawl, News Commentary v9; validation: newstest2013; test:
newstest2014 (all 3,003 sentences). The text is left as it is, but for blanks at its
ends; pairs that cannot be used go in the next step, where they are counted.
"""

import argparse
import re
import sys
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.download import Remote, fetch_all
from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, tell
from data_prep.lib.text import decode_line, read_pairs

LANGS = ("en", "de")
SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>", re.IGNORECASE)


class Archive(NamedTuple):
    """An archive: where it is, its checksum, and what is taken from it."""

    url: str
    checksum: str | None
    split: str
    members: tuple[str, str]  # English, German


# The sha256 sums are those that several public recipes give, the md5 sum is
# sacreBLEU's. Of News Commentary v9 no sum has been published: its archive is only
# checked by unpacking it.
ARCHIVES = {
    "training-parallel-europarl-v7.tgz": Archive(
        "http://www.statmt.org/wmt13/",
        "sha256:0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
        "train",
        ("training/europarl-v7.de-en.en", "training/europarl-v7.de-en.de"),
    ),
    "training-parallel-commoncrawl.tgz": Archive(
        "http://www.statmt.org/wmt13/",
        "sha256:c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
        "train",
        ("commoncrawl.de-en.en", "commoncrawl.de-en.de"),
    ),
    "training-parallel-nc-v9.tgz": Archive(
        "http://www.statmt.org/wmt14/",
        None,
        "train",
        (
            "training/news-commentary-v9.de-en.en",
            "training/news-commentary-v9.de-en.de",
        ),
    ),
    "dev.tgz": Archive(
        "http://data.statmt.org/wmt17/translation-task/",
        "sha256:9d5ff04a28496b7796904ea65e50e3837bab14dbdca88b1e063105f17513dca9",
        "valid",
        ("dev/newstest2013.en", "dev/newstest2013.de"),
    ),
    "test-full.tgz": Archive(
        "http://www.statmt.org/wmt14/",
        "md5:a8cd784e006feb32ac6f3d9ec7eb389a",
        "test",
        (
            "test-full/newstest2014-deen-src.en.sgm",
            "test-full/newstest2014-deen-ref.de.sgm",
        ),
    ),
}


def unpack(archives: Path, folder: Path) -> None:
    """Writes {train,valid,test}.{en,de}.

    Raises:
        UserError: if an archive is damaged, or its text cannot be used.
    """
    for name, archive in ARCHIVES.items():
        tell(f"raw: {name}")
        parts = [folder / f".part.{lang}" for lang in LANGS]
        extract(archives / name, dict(zip(archive.members, parts, strict=True)))
        append(folder, archive.split, parts)
        for part in parts:
            part.unlink()


def extract(path: Path, members: dict[str, Path]) -> None:
    """Writes members of an archive as text, one sentence a line.

    Raises:
        UserError: if the archive is damaged, lacks one, or one is not UTF-8.
    """
    missing = dict(members)
    try:
        with tarfile.open(path, "r|gz") as archive:
            for entry in archive:
                out = missing.pop(entry.name.removeprefix("./"), None)
                content = archive.extractfile(entry) if out is not None else None
                if out is None or content is None:
                    continue
                lines = decoded(content, path, entry.name)
                if entry.name.endswith(".sgm"):
                    lines = segments(lines)
                write(out, lines)
                if not missing:
                    return
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete archive: {error}.") from None
    raise UserError(
        f"The archive {path} must hold {next(iter(missing))}, but does not."
    )


def decoded(content: Iterable[bytes], path: Path, member: str) -> Iterator[str]:
    """Yields lines as text."""
    for number, line in enumerate(content, start=1):
        yield decode_line(line, path / member, number)


def segments(lines: Iterable[str]) -> Iterator[str]:
    """Yields the sentences of an SGML file, left as they are like in sacreBLEU."""
    for line in lines:
        yield from (segment.strip() for segment in SEGMENT.findall(line))


def write(path: Path, lines: Iterable[str]) -> None:
    """Writes one line each."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def append(folder: Path, split: str, parts: list[Path]) -> None:
    """Appends two aligned files to a set."""
    source, target = (folder / f"{split}.{lang}" for lang in LANGS)
    with (
        open(source, "a", encoding="utf-8", newline="\n") as english,
        open(target, "a", encoding="utf-8", newline="\n") as german,
    ):
        for first, second in read_pairs(*parts):
            english.write(first + "\n")
            german.write(second + "\n")


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="text goes to OUT/raw")
    add("--mirror", help="address or folder that has all archives")
    args = parser.parse_args(argv)
    with errors_as_sentences(), Workspace(args.out) as work:
        archives = args.out / "download"
        files = {name: Remote(one.url, one.checksum) for name, one in ARCHIVES.items()}
        fetch_all(archives, files, args.mirror)
        inputs = {name: archives / name for name in ARCHIVES}
        work.step("raw", inputs, {}, partial(unpack, archives))


if __name__ == "__main__":
    main()
