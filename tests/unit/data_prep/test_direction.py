"""A teacher of the other direction makes no corpus."""

import json
from pathlib import Path

import pytest
import torch

from data_prep.lib.steps import UserError
from data_prep.lib.teachers import check_direction


def teacher(folder: Path, source: str | None, target: str | None) -> Path:
    task = {"source_lang": source, "target_lang": target, "data": "bin"}
    torch.save({"model": {}, "cfg": {"task": task}}, folder / "teacher.pt")
    return folder / "teacher.pt"


def test_a_teacher_that_translates_back_is_refused(tmp_path: Path) -> None:
    text = {"source_lang": "en", "target_lang": "de"}
    (tmp_path / "text.json").write_text(json.dumps(text))
    with pytest.raises(UserError, match="from en to de, but was trained from de to en"):
        check_direction(teacher(tmp_path, "de", "en"), tmp_path)
    check_direction(teacher(tmp_path, "en", "de"), tmp_path)
    check_direction(teacher(tmp_path, None, None), tmp_path)  # fairseq inferred them
    check_direction(tmp_path / "nowhere.pt", tmp_path)  # is said where it is loaded
