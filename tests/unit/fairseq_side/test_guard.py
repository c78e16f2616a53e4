"""Tests of what stands between files, folders and fairseq."""

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary, data_utils, indexed_dataset
from warm_python import warm_python

from vq_nat.fairseq_side import compat, guard
from vq_nat.files import BadFile

HOLD = """
import sys
from fairseq import checkpoint_utils
import vq_nat.fairseq_side.compat
checkpoint_utils.verify_checkpoint_directory(sys.argv[1])
"""


def write(path: Path) -> bytes:
    """Writes a checkpoint whose weights can be found in the file."""
    state = {"model": {"w": torch.full((4000,), 1.25)}, "cfg": {}, "args": None}
    torch.save(state, path)
    return path.read_bytes()


READERS = [
    compat.load_weights,
    lambda path: checkpoint_utils.load_checkpoint_to_cpu(str(path)),
]


@pytest.mark.parametrize("read", READERS)
def test_a_bit_that_flipped_in_the_weights_is_noticed(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "a.pt"
    whole = bytearray(write(path))
    place = whole.index(torch.full((9,), 1.25).numpy().tobytes()) + 8_001
    whole[place] ^= 4
    path.write_bytes(whole)
    with pytest.raises(BadFile, match=r"a\.pt must be a fairseq .* damaged or packed"):
        read(path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("size", [0, 1, 3, 100, 5000, -1])
def test_a_file_cut_off_is_named(
    read: Callable[[Path], object], size: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(write(path)[:size])
    with pytest.raises(ValueError, match=r"a\.pt must be a fairseq checkpoint") as said:
        read(path)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("content", ["", "one\n"])
def test_a_bad_data_folder_ends_a_command_in_a_sentence(
    content: str, tmp_path: Path
) -> None:
    """fairseq's commands catch nothing: what ends them must be a SystemExit, too."""
    (tmp_path / "dict.en.txt").write_text(content)
    with pytest.raises(BadFile, match=r"dict\.en\.txt must be .*, but") as said:
        Dictionary.load(str(tmp_path / "dict.en.txt"))
    assert isinstance(said.value, SystemExit) and said.value.code == str(said.value)


@pytest.mark.parametrize("kind", [numpy.uint16, numpy.int32])
def test_words_of_another_dictionary_are_refused(kind: type, tmp_path: Path) -> None:
    data, words = Dictionary(), [[4, 2], [9, 4, 2]]
    build = indexed_dataset.MMapIndexedDatasetBuilder(f"{tmp_path}/a.bin", kind)
    for sentence in words:
        build.add_item(torch.tensor(sentence))
    build.finalize(f"{tmp_path}/a.idx")
    for symbol in "abcdef":
        data.add_symbol(symbol)
    assert len(data) == 10  # the last word there is
    read = data_utils.load_indexed_dataset
    rows = read(f"{tmp_path}/a", data)
    assert [rows[i].tolist() for i in range(2)] == words
    smaller = Dictionary.load(io.StringIO("".join(f"{c} 1\n" for c in "abcde")))
    for given, named in (((smaller,), {}), ((), {"dictionary": smaller})):
        with pytest.raises(BadFile, match=r"a\.bin must hold .* of 9 symbols, .* 9:"):
            read(f"{tmp_path}/a", *given, **named)
    if kind is numpy.int32:
        content = bytearray((tmp_path / "a.bin").read_bytes())
        content[3] = 0xFF  # the first number's sign
        (tmp_path / "a.bin").write_bytes(content)
        with pytest.raises(BadFile, match=r"a\.bin must hold .* has number -\d+:"):
            read(f"{tmp_path}/a", data)


def test_a_folder_is_one_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_claimed", {})
    folder = tmp_path / "new"
    checkpoint_utils.verify_checkpoint_directory(str(folder))
    checkpoint_utils.verify_checkpoint_directory(str(folder))  # the same training
    assert os.listdir(folder) == []
    (tmp_path / "hold.py").write_text(HOLD)
    command = [warm_python(), str(tmp_path / "hold.py"), str(folder)]
    other = subprocess.run(command, capture_output=True, text=True)
    assert other.returncode == 1
    last = other.stderr.splitlines()[-1]
    assert last == (
        f"error: another training writes to {folder}; give --save-dir another."
    )
    for lock in guard._claimed.values():
        os.close(lock)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"cannot be written to \S+file/x: Not a dir"):
        checkpoint_utils.verify_checkpoint_directory(str(tmp_path / "file" / "x"))
