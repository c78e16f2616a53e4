"""Owns the pieces of a long decoding: how a source is cut, and what is finished.

A source is cut into chunks of lines whatever the number of shards, workers and
interruptions, and a chunk is decoded in one piece: so its translations never depend on
them. A finished chunk is one file, written in one go, in a folder named after the
hash of all that decides about the result. Chunks of another teacher, source or option
therefore lie elsewhere and are never mixed in.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.lib.steps import UserError
from data_prep.lib.text import decode_line

SHARDS = ".shards"  # below the output folder; goes when its content is merged


@dataclass(frozen=True)
class Chunk:
    """Some consecutive lines of a source."""

    index: int
    part: str  # name of the source
    path: Path
    first: int  # number of its first line, from 1
    lines: int
    offset: int  # of the first line, in bytes

    def read(self) -> list[str]:
        """Returns the lines."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            numbered = enumerate(islice(file, self.lines), start=self.first)
            return [decode_line(line, self.path, number) for number, line in numbered]


def cut(sources: Mapping[str, Path], size: int) -> list[Chunk]:
    """Cuts sources into chunks of `size` lines; a chunk never spans two sources."""
    chunks: list[Chunk] = []
    for part, path in sources.items():
        offset, first = 0, 1
        with open(path, "rb") as file:
            while lengths := [len(line) for line in islice(file, size)]:
                chunks.append(
                    Chunk(len(chunks), part, path, first, len(lengths), offset)
                )
                offset, first = offset + sum(lengths), first + len(lengths)
    return chunks


class Store:
    """The finished chunks of one recipe.

    Args:
        out: output folder of the distillation.
        recipe: all that decides about the result, as JSON.
    """

    def __init__(self, out: Path, recipe: dict[str, Any]) -> None:
        self.recipe = json.loads(json.dumps(recipe))
        text = json.dumps(self.recipe, sort_keys=True)
        self.name = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.root = out / SHARDS
        self.folder = self.root / self.name

    def open(self) -> None:
        """Makes the folder, with the recipe in it for people to read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "recipe.json").exists():
            text = json.dumps(self.recipe, indent=1, sort_keys=True) + "\n"
            self._write(self.folder / "recipe.json", text)

    def others(self) -> dict[str, list[str]]:
        """Returns, for each folder of another recipe, in what that differs."""
        different = {}
        for path in sorted(self.root.glob("*/recipe.json")):
            if path.parent.name != self.name:
                try:
                    other = json.loads(path.read_text("utf-8"))
                except ValueError:
                    other = {}
                different[path.parent.name] = list(differences(self.recipe, other))
        return different

    def path(self, chunk: Chunk) -> Path:
        """Returns the file of a finished chunk."""
        return self.folder / f"chunk-{chunk.index:06}.jsonl"

    def save(self, chunk: Chunk, rows: Iterable[Any]) -> None:
        """Writes what became of a chunk, one JSON value a line."""
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        header = json.dumps(self._header(chunk, body)) + "\n"
        self._write(self.path(chunk), header + body)

    def _write(self, path: Path, text: str) -> None:
        """Writes a file in one go; other shards may be writing the same one."""
        process = f"{os.uname().nodename}-{os.getpid()}"
        temporary = path.with_name(f".tmp-{process}-{path.name}")
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            error.filename = str(path)
            raise

    def _header(self, chunk: Chunk, body: str) -> dict[str, Any]:
        return {
            "recipe": self.name,
            "part": chunk.part,
            "first": chunk.first,
            "lines": chunk.lines,
            "sha256": hashlib.sha256(body.encode()).hexdigest(),
        }

    def read(self, chunk: Chunk) -> list[str] | None:
        """Returns a finished chunk's JSON lines; None if it is missing or damaged."""
        try:
            header, _, body = self.path(chunk).read_text("utf-8").partition("\n")
            if json.loads(header) != self._header(chunk, body):
                return None
        except (OSError, ValueError):
            return None
        return body.split("\n")[:-1]

    def missing(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Returns the chunks that are not finished."""
        return [chunk for chunk in chunks if self.read(chunk) is None]

    def merge(self, chunks: list[Chunk], folder: Path) -> None:
        """Writes PART.jsonl for each source, one line for each of its lines.

        Raises:
            UserError: if chunks are missing.
        """
        for part in dict.fromkeys(chunk.part for chunk in chunks):
            own = [chunk for chunk in chunks if chunk.part == part]
            path = folder / f"{part}.jsonl"
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                for chunk in own:
                    file.writelines(f"{line}\n" for line in self._must_read(chunk))

    def _must_read(self, chunk: Chunk) -> Iterator[str]:
        lines = self.read(chunk)
        if lines is None:
            last = chunk.first + chunk.lines - 1
            raise UserError(
                f"The translations of lines {chunk.first} to {last} of {chunk.path} "
                f"are missing from {self.folder}; run their shard again."
            )
        return iter(lines)

    def remove(self) -> None:
        """Deletes all chunks, those of other recipes as well."""
        shutil.rmtree(self.root, ignore_errors=True)


def differences(mine: Any, other: Any, name: str = "") -> Iterator[str]:
    """Yields the names of the values in which two recipes differ."""
    if isinstance(mine, dict) and isinstance(other, dict):
        for key in sorted({*mine, *other}):
            inner = f"{name}.{key}" if name else key
            yield from differences(mine.get(key), other.get(key), inner)
    elif mine != other:
        yield name


# ------------------------------------------------------------------ which shard this is


@dataclass(frozen=True)
class Shard:
    """This process's share of the chunks."""

    index: int = 0
    count: int = 1

    def own(self, chunks: list[Chunk]) -> list[Chunk]:
        """Returns every `count`-th chunk."""
        return chunks[self.index :: self.count]


def find_shard(
    count: int | None, index: int | None, env: Mapping[str, str]
) -> Shard | None:
    """Returns the shard that options or the environment name; None if none does.

    `--shards` and `--shard` come first, then RANK and WORLD_SIZE (torchrun), then
    the variables of a SLURM array. With `--shards` alone, the index is RANK or
    SLURM_ARRAY_TASK_ID.

    Raises:
        UserError: if the numbers do not make sense.
    """
    if count is None and index is not None:
        raise UserError("--shard must go with --shards, but that is missing.")
    rank, task = env.get("RANK"), env.get("SLURM_ARRAY_TASK_ID")
    if count is None and int(env.get("WORLD_SIZE", "1")) > 1:
        count, index = int(env["WORLD_SIZE"]), int(rank or 0)
    elif count is None and task is not None:
        count = int(env.get("SLURM_ARRAY_TASK_COUNT", "1"))
        first = int(env.get("SLURM_ARRAY_TASK_MIN", "0"))
        index = (int(task) - first) // int(env.get("SLURM_ARRAY_TASK_STEP", "1"))
    elif count is not None and index is None:
        number = rank if rank is not None else task
        if number is None and count > 1:
            raise UserError("--shards must go with --shard, but that is missing.")
        index = int(number or 0)
    if count is None or index is None:
        return None
    if not 0 <= index < count:
        raise UserError(
            f"The shard must be a number from 0 to {count - 1}, but is {index} instead."
        )
    return Shard(index, count)
