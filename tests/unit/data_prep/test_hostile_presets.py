"""Tests that a preset decides how a model is trained, and not whose code does it."""

from pathlib import Path

import pytest

from data_prep import train_teacher
from data_prep.lib import options
from data_prep.lib.steps import UserError

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user-dir: evil\n", "must not have `user-dir`"),
        ("teacher: {user-dir: evil}\n", "must not have `user-dir`"),
        ("rows: [{train: {user-dir: evil}}]\n", "must not have `user-dir`"),
        ('"--user-dir": evil\n', "must not have `--user-dir`"),
        ("model-overrides: '{}'\n", "must not have `model-overrides`"),
        ("arch: --user-dir=evil\n", "`arch` in the preset .* which is a flag"),
        ("a: {arch: ' --user-dir=evil'}\n", "`arch` in the preset .* which is a flag"),
        ("a: !!python/object/apply:os.system [touch owned]\n", "must be YAML"),
        ("a: &x [1]\nb: *x\n", "it must not have aliases"),
        (BOMB, "it must not have aliases"),
        ("[" * 5000, "must be YAML, but is not"),
        ("a: \x00\n", "must be YAML, but is not"),
        ("x: " + "y" * 2**20, "must have at most 1,048,576 bytes"),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_presets_are_refused(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        options.read_yaml(path)
    with pytest.raises(UserError, match=sentence):
        train_teacher.read_preset(path)
    assert not (tmp_path / "owned").exists()


def test_a_preset_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"arch: \xff\xfe\n")
    with pytest.raises(UserError, match=r"p\.yaml must be YAML, but is not"):
        options.read_yaml(path)
