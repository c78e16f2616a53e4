"""Another engine may translate the corpus if it says what the teacher says."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stub_teacher import StubTeacher

from data_prep.lib import teachers, translations
from data_prep.lib.steps import UserError
from data_prep.lib.teachers import Decoding

LINES = [f"a{number} b c d e f" for number in range(8)]


@pytest.fixture
def task(tmp_path: Path) -> Any:
    """Four of eight sentences are compared."""
    path = tmp_path / "train.en"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return SimpleNamespace(
        sources=lambda: {"train": path},
        agreement=4,
        teacher=Path("ours"),
        decoding=Decoding(backend="ctranslate2"),
        data=SimpleNamespace(out=tmp_path),
        devices=("cpu",),
    )


@pytest.fixture
def compare(task: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """compare(texts): the other engine says this of some sentences."""

    def run(texts: dict[str, str]) -> dict[str, StubTeacher]:
        known = {"ours": StubTeacher(), "theirs": StubTeacher(texts=texts)}

        def load(path: Path, data: Path, decoding: Decoding, device: str) -> Any:
            return known[str(path)].load(path, data, decoding, device)

        monkeypatch.setattr(teachers, "load_teacher", load)
        translations.check_agreement(task, Path("theirs"))
        return known

    return run


def test_an_engine_that_says_the_same_is_taken(compare: Any) -> None:
    known = compare({})
    asked = [sum(one.batches, []) for one in known.values()]
    assert asked[0] == asked[1] and len(asked[0]) == 4


def test_an_engine_that_says_something_else_is_refused(compare: Any) -> None:
    others = {line: "x y z" for line in LINES}
    with pytest.raises(UserError, match="must agree .* but on a sample 0 of 4 sent"):
        compare(others)
