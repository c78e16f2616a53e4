"""Owns downloads: continued where they broke off, checked, never half under a name."""

import hashlib
import http.client
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data_prep.lib.steps import UserError, tell

BLOCK = 1 << 20
TIMEOUT = 60  # seconds without a byte


class Remote(NamedTuple):
    """Where a file is, and what is known of it."""

    url: str  # of its folder, with a slash at the end
    checksum: str | None  # see `fetch`


def fetch_all(
    folder: Path, files: Mapping[str, Remote], mirror: str | None = None
) -> None:
    """Downloads what is not there yet.

    Args:
        folder: where the files go.
        files: by name.
        mirror: address of a folder that has them all; its own SHA256SUMS count.

    Raises:
        UserError: see `fetch`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sums: dict[str, str] = {}
    if mirror is not None:
        mirror = mirror.rstrip("/") + "/"
        sums = read_checksums(f"{mirror}SHA256SUMS", folder)
    for name, file in files.items():
        checksum = sums.get(name, file.checksum)
        fetch((mirror or file.url) + name, folder / name, checksum)


def fetch(url: str, path: Path, checksum: str | None) -> None:
    """Makes sure that a file is there and is the right one.

    Args:
        url: where it is; a `file:` address or a path is copied.
        path: where it shall be. PATH.part holds what has arrived so far.
        checksum: "sha256:..." or "md5:...", if one is known.

    Raises:
        UserError: if it cannot be had, is cut off, or is another one.
    """
    if path.is_file():
        check(path, checksum)
        return
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    tell(f"download: {url}")
    try:
        transfer(url, part)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{url} could not be downloaded ({reason}); run this again."
        ) from None
    try:
        check(part, checksum)
    except UserError:
        part.unlink()
        raise
    os.replace(part, path)


def transfer(url: str, part: Path) -> None:
    """Appends to a file what is missing of it.

    Raises:
        UserError: if fewer bytes arrive than were announced.
    """
    request = urllib.request.Request(as_url(url))
    have = part.stat().st_size if part.exists() else 0
    if have and not request.full_url.startswith("file:"):
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is missing, or too much is there
            raise
        part.unlink()
        transfer(url, part)
        return
    with response:
        continued = getattr(response, "status", None) == 206
        rest = int(response.headers.get("Content-Length") or 0)
        with (
            open(part, "ab" if continued else "wb") as file,
            tqdm(
                total=(have if continued else 0) + rest or None,
                initial=have if continued else 0,
                desc=part.stem,
                unit="B",
                unit_scale=True,
                mininterval=1 if sys.stderr.isatty() else 30,
                leave=False,
            ) as bar,
        ):
            before = file.tell()
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
            arrived = file.tell() - before
    if arrived < rest:
        raise UserError(
            f"{url} broke off after {arrived} of {rest} bytes; run this again to "
            "continue."
        )


def as_url(place: str) -> str:
    """Returns the address of a URL or of a path."""
    return place if "://" in place else Path(place).resolve().as_uri()


def check(path: Path, checksum: str | None) -> None:
    """Compares a file with its checksum.

    Raises:
        UserError: if it is another file.
    """
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    with open(path, "rb") as file:
        actual = hashlib.file_digest(file, kind).hexdigest()
    if actual != expected:
        raise UserError(
            f"{path} must have the {kind} {expected}, but has {actual} instead; delete "
            "it and run this again."
        )


def read_checksums(place: str, folder: Path) -> dict[str, str]:
    """Returns the checksums in a mirror's SHA256SUMS, nothing if it has none."""
    path = folder / "SHA256SUMS"
    try:
        with (
            urllib.request.urlopen(as_url(place), timeout=TIMEOUT) as response,
            open(path, "wb") as file,
        ):
            shutil.copyfileobj(response, file)
    except (urllib.error.URLError, OSError):
        return {}
    lines = path.read_text("utf-8").splitlines()
    rows = (line.split() for line in lines if line.strip())
    return {row[1].lstrip("*"): f"sha256:{row[0]}" for row in rows}
