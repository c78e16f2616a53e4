"""Models that an earlier version wrote still load, and translate as they did.

`tests/data/VERSION` holds what `tests/data/make.py` wrote when it was the newest one.
CHANGELOG.md says what a version may break: until then these tests stay as they are.
"""

import json
from pathlib import Path

import pytest

import vq_nat
from vq_nat import engine

DATA = Path(__file__).resolve().parents[1] / "data"
VERSIONS = sorted(path.parent.name for path in DATA.glob("*/expected.json"))
SCORE = 0.01  # that sums in another order may differ by


def test_there_are_old_models() -> None:
    assert "0.1.0" in VERSIONS


@pytest.mark.parametrize("kind", ["checkpoint", "packed", "exported"])
@pytest.mark.parametrize("version", VERSIONS)
def test_it_translates_as_it_did(version: str, kind: str) -> None:
    if kind == "exported" and not engine.available():
        pytest.skip("the engine is not compiled")
    expected = json.loads((DATA / version / "expected.json").read_text("utf-8"))
    hypotheses = vq_nat.load(DATA / version / kind).hypotheses(expected["lines"])
    for one, (text, codes, score) in zip(hypotheses, expected[kind], strict=True):
        assert (one.text, one.codes) == (text, codes)
        assert one.score == pytest.approx(score, abs=SCORE)
