"""Owns a user's own text files, which are joined to train, valid, test, test1, ..."""

from functools import partial
from pathlib import Path
from typing import Any

from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError, Workspace
from data_prep.lib.text import read_pairs

TEXT: dict[str, Any] = {"encoding": "utf-8", "newline": "\n"}


def gather(
    plan: CorpusPlan, files: dict[str, list[Path]], dry_run: bool = False
) -> None:
    """Joins a user's own files to RAW/{train,valid,test...}.

    Args:
        plan: where.
        files: of train, valid and test.
        dry_run: only say whether that is to be done.

    Raises:
        UserError: if a file is missing, not UTF-8, or not as long as its other side.
    """
    splits = name_splits(files)
    inputs = {
        f"{split}.{number}.{side}": path
        for split, pairs in splits.items()
        for number, pair in enumerate(pairs)
        for side, path in zip(plan.langs, pair, strict=True)
    }
    for path in inputs.values():
        if not path.is_file():
            raise UserError(f"The file {path} is missing.")
    with Workspace(plan.out, dry_run=dry_run) as work:
        make = partial(join_files, plan, splits)
        work.step("raw", inputs, {"langs": list(plan.langs)}, make)


def name_splits(files: dict[str, list[Path]]) -> dict[str, list[tuple[Path, Path]]]:
    """Returns the pairs of files of train, valid, test, test1, ...

    Raises:
        UserError: if there are none, or there is an odd number.
    """
    splits: dict[str, list[tuple[Path, Path]]] = {}
    for name, paths in files.items():
        if not paths or len(paths) % 2:
            raise UserError(
                f"--{name} must be followed by pairs of files, source and target in "
                f"turn, but is followed by {len(paths)} files instead."
            )
        pairs = list(zip(paths[::2], paths[1::2], strict=True))
        if name == "test":
            for number, pair in enumerate(pairs):
                splits[f"test{number or ''}"] = [pair]
        else:
            splits[name] = pairs
    return splits


def join_files(
    plan: CorpusPlan, splits: dict[str, list[tuple[Path, Path]]], folder: Path
) -> None:
    """Writes both sides of each set, pair of files after pair of files."""
    for split, files in splits.items():
        with (
            open(folder / f"{split}.{plan.source_lang}", "w", **TEXT) as source,
            open(folder / f"{split}.{plan.target_lang}", "w", **TEXT) as target,
        ):
            for pair in files:
                for first, second in read_pairs(*pair):
                    source.write(first + "\n")
                    target.write(second + "\n")
