"""Unpacks the official Multi30k files into raw text under this project's names."""

import argparse
import gzip
import hashlib
import sys
import zlib
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, tell
from data_prep.lib.text import decode_line, write_lines
from vq_nat.files import MOST_BYTES

# Of the text inside (a .gz file may be packed in many ways), at commit a3d2e0d.
SHA256 = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "test_2016_flickr.en": (
        "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"
    ),
    "test_2016_flickr.de": (
        "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"
    ),
    "test_2017_flickr.en": (
        "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98"
    ),
    "test_2017_flickr.de": (
        "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081"
    ),
}
SPLITS = {
    "train": "train",
    "val": "valid",
    "test_2016_flickr": "test",
    "test_2017_flickr": "test1",
}


def unpack(data: Path, official: bool, folder: Path) -> None:
    """Writes every file of `data` as raw text into `folder`.

    Raises:
        UserError: if a file is missing or damaged, or not the `official` one.
    """
    for name, expected in SHA256.items():
        path = data / f"{name}.gz"
        content = read_gzip(path)
        if hashlib.sha256(content).hexdigest() != expected:
            note = f"{path} does not hold the official Multi30k text"
            if official:
                raise UserError(f"{note}; delete it and download it again.")
            tell(f"note: {note}; used as it is")
        split, lang = name.rsplit(".", 1)
        write_lines(folder / f"{SPLITS[split]}.{lang}", clean(path, content))


def read_gzip(path: Path) -> bytes:
    """Returns the content of a .gz file.

    Raises:
        UserError: if it is missing, damaged, or holds more than such a file can.
    """
    if not path.is_file():
        raise UserError(f"The file {path} is missing.")
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete .gz file: {error}.") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} must hold at most {MOST_BYTES:,} bytes of text.")
    return content


def clean(path: Path, content: bytes) -> list[str]:
    """Returns the lines without the blanks at their ends."""
    lines = content.removesuffix(b"\n").split(b"\n")
    return [decode_line(line, path, n) for n, line in enumerate(lines, start=1)]


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the .gz files")
    add("--out", type=Path, required=True, help="raw text goes to OUT/raw")
    add("--official", action="store_true", help="refuse any other text")
    args = parser.parse_args(argv)
    with errors_as_sentences(), Workspace(args.out) as work:
        inputs = {name: args.data / f"{name}.gz" for name in SHA256}
        for path in inputs.values():
            if not path.is_file():
                raise UserError(f"The file {path} is missing.")
        options = {"official": args.official}
        work.step("raw", inputs, options, partial(unpack, args.data, args.official))


if __name__ == "__main__":
    main()
