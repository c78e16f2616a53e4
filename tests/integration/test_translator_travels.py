"""A translator goes to other processes, and says what it cannot read."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from fairseq_commands import STUDENT

import vq_nat
from vq_nat.fairseq_side.compat import load_weights
from vq_nat.translation.translator import Translator

LINES = ["a b c", "", "d e"]


@pytest.fixture(scope="module")
def translator(checkpoint: Path) -> Translator:
    return vq_nat.load(checkpoint, candidates=2, max_length_ratio=2.0)


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_a_copy_translates_alike(translator: Translator, way) -> None:
    again = way(translator)
    assert again is not translator
    assert again.options == translator.options
    assert again.translate(LINES) == translator.translate(LINES)


def test_the_path_is_kept_and_not_the_weights(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    packed = pickle.dumps(vq_nat.load(checkpoint.name))
    assert len(packed) < 2000
    monkeypatch.chdir(tmp_path)  # as another process may be elsewhere
    assert pickle.loads(packed).translate([""]) == [""]


def test_it_works_in_another_process(translator: Translator) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere = pool.submit(Translator.translate, translator, LINES).result()
    assert elsewhere == translator.translate(LINES)


def test_an_exported_one_travels_too(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from vq_nat.translation.onnx.export import export_checkpoint

    export_checkpoint(checkpoint, tmp_path / "out")
    exported = vq_nat.load(tmp_path / "out")
    again = pickle.loads(pickle.dumps(exported))
    assert again.translate(LINES) == exported.translate(LINES)


def test_one_made_of_parts_says_so(translator: Translator) -> None:
    parts = (translator.model, translator.task, translator.codec, translator.options)
    with pytest.raises(TypeError, match="must be made by `vq_nat.load` to be copied"):
        pickle.dumps(Translator(*parts))


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([None], "number 1 is of type NoneType instead"),
        (["a", b"x"], "number 2 is of type bytes instead"),
        (["a", "b", 3], "number 3 is of type int instead"),
    ],
)
def test_what_is_no_string_is_refused(
    translator: Translator, sentences: list, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        translator.translate(sentences)
    with pytest.raises(ValueError, match=message):
        list(translator.stream(sentences, batch_size=1))


def test_what_came_before_is_translated(translator: Translator) -> None:
    translated = []
    with pytest.raises(ValueError, match="number 3 is of type NoneType"):
        for line in translator.stream(["a", "b", None]):
            translated.append(line)
    assert translated == translator.translate(["a", "b"])


def test_a_lost_data_folder_is_named(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_best.pt"
    state = torch.load(checkpoint / path.name, weights_only=True)
    state["cfg"]["task"]["data"] = "data-bin"
    torch.save(state, path)
    message = rf"beside the checkpoint in {tmp_path}, or in /.*data-bin, .* as `data`"
    with pytest.raises(FileNotFoundError, match=message):
        vq_nat.load(path)
    with pytest.raises(FileNotFoundError, match="has no text.json: `prepare.py --desc"):
        vq_nat.load(path, data=tmp_path)


def test_a_folder_that_fairseq_takes_apart(tmp_corpus: Path, checkpoint: Path) -> None:
    import shutil

    folder = checkpoint.parent / "a:b"
    shutil.copytree(tmp_corpus, folder)
    with pytest.raises(ValueError, match="`data` must have no ':' in its path"):
        vq_nat.load(checkpoint, data=folder)


@pytest.mark.parametrize("options", [(), ("--ema-fp32",)])
def test_an_average_of_weights_leaves_counters_alone(
    train, tmp_path: Path, options: tuple[str, ...]
) -> None:
    words = ["--store-ema", "--ema-decay", "0.5", "--disable-validation", *options]
    train(tmp_path, 3, *words, model=STUDENT)
    state = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    averaged, weights = state["extra_state"]["ema"], state["model"]
    assert averaged.keys() == weights.keys()
    counters = {k for k, v in weights.items() if not v.is_floating_point()}
    assert counters
    for name in counters:
        assert torch.equal(averaged[name], weights[name]), name
    moved = [k for k in weights if not torch.equal(averaged[k], weights[k])]
    assert "embed_tokens.weight" in moved
    assert load_weights(tmp_path / "checkpoint_last.pt").keys() == weights.keys()
