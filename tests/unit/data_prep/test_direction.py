"""A teacher of the other direction makes no corpus."""

import json
from pathlib import Path

import pytest

from data_prep.lib.steps import UserError
from data_prep.lib.teachers import check_direction
from vq_nat.fairseq_side import compat


def test_a_teacher_that_translates_back_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(source: str | None, target: str | None) -> None:
        task = {"source_lang": source, "target_lang": target}
        monkeypatch.setattr(compat, "load_config", lambda path: {"task": task})

    text = {"source_lang": "en", "target_lang": "de"}
    (tmp_path / "text.json").write_text(json.dumps(text))
    check_direction(tmp_path / "nowhere.pt", tmp_path)  # is said where it is loaded
    trained("de", "en")
    with pytest.raises(UserError, match="from en to de, but was trained from de to en"):
        check_direction(tmp_path / "teacher.pt", tmp_path)
    trained("en", "de")
    check_direction(tmp_path / "teacher.pt", tmp_path)
    trained(None, None)  # fairseq inferred them
    check_direction(tmp_path / "teacher.pt", tmp_path)
