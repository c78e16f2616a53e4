"""Text in, text out, through a checkpoint that fairseq-train wrote."""

import shutil
from pathlib import Path

import pytest

import vq_nat

TEXTS = ["a b c", "", "d e f g h a b", "  ", "k", "ünknown ☂ a", "t s r q p o n m l k"]


@pytest.fixture
def checkpoint(train, tmp_path: Path) -> Path:
    """The folder of a student after four updates."""
    train(tmp_path / "student", 4, "--disable-validation")
    folder = tmp_path / "student"
    (folder / "checkpoint_last.pt").rename(folder / "checkpoint_best.pt")
    return folder


def test_lines_are_kept_in_number_and_order(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint)
    together = translator.translate(TEXTS)
    assert len(together) == len(TEXTS)
    assert together[1] == together[3] == ""
    assert together == [translator.translate([text])[0] for text in TEXTS]
    assert together == translator.translate(TEXTS, batch_size=2)
    assert together[::-1] == translator.translate(TEXTS[::-1])


def test_codes_stand_for_chunks_of_words(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint)
    found = translator.hypotheses(TEXTS)
    assert found[1].codes == []
    for hypothesis in found:
        assert len(hypothesis.tokens) <= 4 * len(hypothesis.codes) + 1
        assert all(0 <= code < 16 for step in hypothesis.codes for code in step)
    assert translator.codes(TEXTS) == [hypothesis.codes for hypothesis in found]


def test_a_teacher_translates_through_the_same_door(
    train, teacher_model, tmp_path
) -> None:
    train(tmp_path, 2, "--disable-validation", model=teacher_model)
    translator = vq_nat.load(tmp_path / "checkpoint_last.pt", beam=2)
    assert len(translator.translate(TEXTS)) == len(TEXTS)
    assert translator.codes(TEXTS[:1]) == [[]]


def test_refinement_passes_are_accepted(checkpoint: Path) -> None:
    assert len(vq_nat.load(checkpoint, passes=3).translate(TEXTS)) == len(TEXTS)


def test_too_long_a_sentence_is_refused_by_number(checkpoint: Path) -> None:
    texts = ["a", " ".join("abcde" for _ in range(1100))]
    with pytest.raises(ValueError, match="sentence 2 must have at most 1024 subwords"):
        vq_nat.load(checkpoint).translate(texts)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.pt does not exist"):
        vq_nat.load(tmp_path / "nowhere.pt")


def test_a_data_folder_without_text_processing_is_refused(
    checkpoint: Path, tmp_corpus: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tmp_corpus / "dict.en.txt", bare)
    with pytest.raises(FileNotFoundError, match=r"has no text\.json"):
        vq_nat.load(checkpoint, data=bare)
