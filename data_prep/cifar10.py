"""Downloads CIFAR-10's official binary version, or SVHN's digits, and checks them.

    python data_prep/cifar10.py --out runs/cifar10 [--mirror URL_OR_DIR] [--svhn]

Images go to OUT/images, which `fairseq-train --task image_vqvae` reads. A download that
broke off is continued, and nothing is ever there half.
"""

import argparse
import sys
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

if not __package__:  # run as a file: the repository in place of its folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.lib.download import Remote, fetch_all
from data_prep.lib.steps import UserError, Workspace, errors_as_sentences, tell

CIFAR = "https://www.cs.toronto.edu/~kriz/"
ARCHIVE = "cifar-10-binary.tar.gz"
MD5 = "md5:c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"
BATCHES = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
RECORD = 3073  # bytes: a label and 32 · 32 · 3 intensities
SVHN = "http://ufldl.stanford.edu/housenumbers/"
# The sums are those that torchvision's recipe gives.
DIGITS = {
    "train_32x32.mat": "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "md5:eb5a983be6a315427106f1b164d9cef3",
}
BLOCK = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Writes the batches of the archive into FOLDER.

    Raises:
        UserError: if the archive is damaged, or holds something else.
    """
    home = folder / FOLDER
    home.mkdir()
    missing = set(BATCHES)
    try:
        with tarfile.open(archive, "r|gz") as members:
            for entry in members:
                name = Path(entry.name).name
                content = members.extractfile(entry) if name in missing else None
                if content is None:
                    continue
                with open(home / name, "wb") as out:
                    while block := content.read(BLOCK):
                        out.write(block)
                check_batch(archive, home / name)
                missing.remove(name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise UserError(f"{archive} is not a complete archive: {error}.") from None
    if missing:
        raise UserError(
            f"The archive {archive} must hold {FOLDER}/{min(missing)}, but does not."
        )


def check_batch(archive: Path, batch: Path) -> None:
    """Refuses a batch that does not consist of records.

    Raises:
        UserError: if it does not.
    """
    size = batch.stat().st_size
    if size == 0 or size % RECORD:
        raise UserError(
            f"{batch.name} in {archive} must hold records of {RECORD} bytes, but its "
            f"{size} bytes end within one."
        )


def take_over(files: list[Path], folder: Path) -> None:
    """Links the downloaded files into a folder: they are used as they are."""
    for path in files:
        (folder / path.name).hardlink_to(path)


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="images go to OUT/images")
    add("--mirror", help="address or folder that has the files")
    add("--svhn", action="store_true", help="the cropped digits of SVHN instead")
    args = parser.parse_args(argv)
    files, url = (DIGITS, SVHN) if args.svhn else ({ARCHIVE: MD5}, CIFAR)
    with errors_as_sentences(), Workspace(args.out) as work:
        downloads = args.out / "download"
        remotes = {name: Remote(url, checksum) for name, checksum in files.items()}
        fetch_all(downloads, remotes, args.mirror)
        inputs = {name: downloads / name for name in files}
        make: Callable[[Path], None] = partial(unpack, downloads / ARCHIVE)
        if args.svhn:
            make = partial(take_over, list(inputs.values()))
        work.step("images", inputs, {"svhn": args.svhn}, make)
        tell(f"images: {args.out / 'images'}")


if __name__ == "__main__":
    main()
