"""A model of the other direction, another dictionary, and a training without a task."""

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from fairseq_commands import OPTIMIZER, STUDENT, TEACHER, USER_DIR, call, task

import vq_nat
from vq_nat.cli import main as cli
from vq_nat.translation.loading import languages_of, load_teacher
from vq_nat.translation.onnx.export import export_checkpoint


def backwards(data: Path, save: Path, model: list[str]) -> Path:
    """Trains a model from German to English, against what the data was made for."""
    arguments = [str(data), "--user-dir", USER_DIR, "--cpu", "-s", "de", "-t", "en"]
    arguments += ["--task", "discrete_latent_translation", *model, *OPTIMIZER]
    arguments += ["--max-update", "2", "--disable-validation", "--save-dir", str(save)]
    call("train", arguments)
    return save / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def data(tmp_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the corpus whose German has a word of its own."""
    folder = tmp_path_factory.mktemp("direction") / "bin"
    shutil.copytree(tmp_corpus, folder)
    return folder


@pytest.fixture(scope="module")
def back(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backwards(data, tmp_path_factory.mktemp("back"), STUDENT)


def test_direction_is_the_checkpoints(back: Path, tmp_path: Path) -> None:
    raw, rows = tmp_path / "raw", tmp_path / "rows"
    raw.mkdir()
    (raw / "test.de").write_text("a b\nc d\n")
    (raw / "test.en").write_text("e f g\nh i j\n")
    assert languages_of(back) == ("de", "en")
    translator = vq_nat.load(back)
    assert translator.codec.recipe.languages == ("de", "en")
    words = ["measure", "back", str(back), "--raw", str(raw), "--corpus", "copies"]
    assert cli.main([*words, "--rows", str(rows), "--threads", "1"]) == 0
    written = (rows / "copies" / "back.test.txt").read_text().split("\n")[:-1]
    assert written == translator.translate(["a b", "c d"])


def test_an_exported_model_keeps_its_direction(back: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export_checkpoint(back, tmp_path / "out")
    assert languages_of(tmp_path / "out") == ("de", "en")
    text = json.loads((tmp_path / "out" / "text.json").read_text())
    assert (text["source_lang"], text["target_lang"]) == ("de", "en")
    assert vq_nat.load(tmp_path / "out").codec.recipe.languages == ("de", "en")


def test_a_teacher_of_the_other_direction_is_refused(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    teacher = backwards(data, tmp_path, TEACHER)
    student = vq_nat.load(checkpoint, data=data)
    with pytest.raises(ValueError, match="the teacher .* was trained from de to en"):
        load_teacher(teacher, student.task, "cpu")


@pytest.fixture
def shuffled(tmp_corpus: Path, tmp_path: Path) -> Path:
    """The corpus with the lines of its dictionaries in another order."""
    folder = tmp_path / "bin"
    shutil.copytree(tmp_corpus, folder)
    lines = (folder / "dict.en.txt").read_text().split("\n")[:-1]
    random.Random(3).shuffle(lines)
    for lang in ("en", "de"):
        (folder / f"dict.{lang}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_shuffled_dictionary_is_refused(
    checkpoint: Path, shuffled: Path, train_into, tmp_path: Path
) -> None:
    path = checkpoint / "checkpoint_best.pt"
    message = r"dict\.en\.txt in .* must be the dictionary that .* was trained with"
    with pytest.raises(ValueError, match=message):
        vq_nat.load(path, data=shuffled)
    arguments = ["--path", str(path), "--num-workers", "0"]
    with pytest.raises(ValueError, match=message):
        call("generate", [*task(shuffled), *arguments])
    shutil.copy(path, tmp_path / "checkpoint_last.pt")
    again = [*STUDENT, *OPTIMIZER, "--max-update", "6", "--save-dir", str(tmp_path)]
    with pytest.raises(ValueError, match=message):
        call("train", [*task(shuffled), *again])


def test_a_dictionary_of_another_size_is_named(
    checkpoint: Path, shuffled: Path, tmp_path: Path
) -> None:
    """Of a checkpoint that does not know its dictionary, as fairseq's own tasks'."""
    state = torch.load(checkpoint / "checkpoint_best.pt", weights_only=True)
    del state["task_state"]
    torch.save(state, tmp_path / "old.pt")
    for lang in ("en", "de"):
        with open(shuffled / f"dict.{lang}.txt", "a") as file:
            file.write("more 1\n")
    message = r"dict\.en\.txt and dict\.de\.txt in .* have another size instead"
    with pytest.raises(ValueError, match=message):
        vq_nat.load(tmp_path / "old.pt", data=shuffled)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "translation"], "`--task` must be discrete_latent_translation"),
        (["--criterion", "cross_entropy"], "`--criterion` must be latent_prediction"),
    ],
)
def test_a_training_that_moves_no_codes_is_refused(
    tmp_corpus: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    rest = [*STUDENT, *OPTIMIZER, "--max-update", "2", "--save-dir", str(tmp_path)]
    with pytest.raises(ValueError, match=message):
        call("train", [*task(tmp_corpus), *rest, "--disable-validation", *options])
    assert not list(tmp_path.glob("*.pt"))
