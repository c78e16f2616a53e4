"""Tests that a data folder is what it was, and asks for nothing else."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fairseq.data import Dictionary

from vq_nat.files import BadFile, sha256
from vq_nat.translation import loading
from vq_nat.translation.codec import TextCodec

WORDS = ("bpe.codes", "dict.en.txt", "dict.de.txt")


@pytest.fixture
def folder(tmp_corpus: Path, tmp_path: Path) -> Path:
    """A copy of a data folder's text processing, with the hashes of its parts."""
    copy = tmp_path / "bin"
    copy.mkdir()
    for name in (*WORDS, "text.json"):
        shutil.copyfile(tmp_corpus / name, copy / name)
    describe(copy, sha256={name: sha256(copy / name) for name in WORDS})
    return copy


def describe(folder: Path, **changes: Any) -> None:
    """Changes what a folder says of itself."""
    path = folder / "text.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def read(folder: Path) -> TextCodec:
    """Opens a folder."""
    source, target = (
        Dictionary.load(str(folder / f"dict.{lang}.txt")) for lang in ("en", "de")
    )
    return TextCodec(folder, source, target)


def test_a_folder_as_it_was_is_read(folder: Path) -> None:
    codec = read(folder)
    assert codec.decode(codec.encode_target("a b")) == "a b"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bpe": "gpt2"}, "`bpe` in .* must be one of subword_nmt, sentencepiece, but"),
        ({"bpe": ["gpt2"]}, "`bpe` in .* must be one of"),
        ({"bpe": None}, "`bpe` in .* must be one of"),
        ({"tokenizer": "nltk"}, "`tokenizer` in .* must be one of moses, space, but"),
        ({"source_lang": "../../x"}, "`source_lang` in .* must be the short name"),
        ({"target_lang": None}, "`target_lang` in .* must be the short name"),
        ({"target_lang": 7 * [1]}, "`target_lang` in .* must be the short name"),
        ({"source_lang": 7}, "`source_lang` in .* must be the short name .* 7 instead"),
        ({"nonbreaking_prefixes": [1]}, "`nonbreaking_prefixes` in .* lists of words"),
        ({"nonbreaking_prefixes": {"en": [1]}}, "must be lists of words"),
        ({"nonbreaking_prefixes": {"en": "Mr"}}, "must be lists of words"),
        ({"sha256": 3}, "`sha256` in .* must be a dict of files"),
        ({"sha256": {"../bin/text.json": ""}}, "must hold ../bin/text.json, as .* but"),
    ],
    ids=str,
)
def test_what_a_folder_must_not_ask_for_is_refused(
    folder: Path, change: dict[str, Any], sentence: str
) -> None:
    describe(folder, **change)
    with pytest.raises(BadFile, match=sentence):
        read(folder)


@pytest.mark.parametrize("name", WORDS)
def test_another_file_in_the_place_of_a_part_is_noticed(
    folder: Path, name: str
) -> None:
    with open(folder / name, "a") as file:
        file.write("c d\n" if name == "bpe.codes" else "another 1\n")
    with pytest.raises(BadFile, match=f"{name} must be the file that .* was changed"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "bpe.codes",
            "<!DOCTYPE html>\n<html>\n",
            "codes must have two subwords a line, but has '<htm",
        ),
        ("bpe.codes", "", "codes must have two subwords a line, but has ''"),
        ("bpe.codes", "#version: 0.2\n", "codes must have merges, but has none"),
        (
            "bpe.codes",
            "#version: 0.2\na b</w>\nc\n",
            "codes must have two subwords a line, but has 'c'",
        ),
        ("dict.en.txt", "", "must be a dictionary of fairseq, .* holds no symbol"),
        ("dict.en.txt", "<html>\n", "dict.en.txt must be a dictionary of fairseq"),
        ("dict.en.txt", "a 1\na 1\n", "dict.en.txt must be a dictionary .* Duplicate"),
        ("text.json", "{", "text.json must be the description of a text"),
        ("text.json", "[1]", "a JSON dict, but is a list instead"),
        ("text.json", "[" * 100_000, "text.json must be the description of a text"),
        ("text.json", "<html>", "text.json must be the description of a text"),
    ],
    ids=str,
)
def test_a_file_that_is_another_is_named(
    folder: Path, name: str, content: str, sentence: str
) -> None:
    describe(folder, sha256={})
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        read(folder)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", [*WORDS, "text.json"])
def test_bytes_that_are_no_text_are_named(folder: Path, name: str) -> None:
    describe(folder, sha256={})
    (folder / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match=name):
        read(folder)


@pytest.mark.parametrize("name", [*WORDS, "text.json"])
def test_a_part_that_is_missing_is_named(folder: Path, name: str) -> None:
    describe(folder, sha256={})
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        read(folder)


@pytest.fixture
def checkpoint(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint, trained on the folder, away from it."""
    told = {"task": {"data": str(folder)}}
    monkeypatch.setattr(loading, "load_config", lambda checkpoint: told)
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "checkpoint_best.pt"


def test_the_folder_beside_a_checkpoint_is_taken_before_that_of_its_training(
    folder: Path, checkpoint: Path
) -> None:
    assert loading.find_data(checkpoint) == folder
    shutil.copyfile(folder / "text.json", checkpoint.parent / "text.json")
    assert loading.find_data(checkpoint) == checkpoint.parent
    assert loading.find_data(checkpoint, folder) == folder


@pytest.mark.parametrize("sign", [":", "${"])
def test_a_folder_that_fairseq_takes_apart_is_refused_by_its_sign(
    folder: Path, checkpoint: Path, sign: str
) -> None:
    torn = folder.parent / f"a{sign}b"
    torn.mkdir()
    with pytest.raises(FileNotFoundError, match="must hold dictionaries"):
        loading.find_data(checkpoint, torn)
    shutil.copyfile(folder / "text.json", torn / "text.json")
    with pytest.raises(ValueError, match=re.escape(f"must have no {sign!r} in its")):
        loading.find_data(checkpoint, torn)


@pytest.mark.parametrize(("rows", "fits"), [(None, True), (7, True), (8, False)])
def test_a_teacher_must_have_as_many_symbols_as_its_student(
    rows: int | None, fits: bool, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it says how many: other architectures keep them under other names."""
    weights = {} if rows is None else {"decoder.embed_tokens.weight": [0] * rows}
    checkpoint.touch()
    monkeypatch.setattr(loading, "load_weights", lambda path: weights)
    monkeypatch.setattr(loading, "load_models", lambda path, task: (["it"], None, None))
    monkeypatch.setattr(loading, "ready", lambda model, device: model)
    task = SimpleNamespace(target_dictionary=range(7))
    if fits:
        assert loading.load_teacher(checkpoint, task, "cpu") == "it"
    else:
        with pytest.raises(ValueError, match="must hold 7 symbols, .* holds 8 instead"):
            loading.load_teacher(checkpoint, task, "cpu")
