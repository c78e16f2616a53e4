"""Types say what stages hand to each other: few functions take or return `Any`."""

import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare_any():
    """The command that counts."""
    path = REPOSITORY / "tests" / "bare_any.py"
    spec = importlib.util.spec_from_file_location("bare_any", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_few_functions_of_translation_take_anything(bare_any) -> None:
    bare, every = bare_any.count(REPOSITORY / "vq_nat" / "translation")
    assert len(bare) <= 0.05 * every, bare


def test_the_count_is_right(bare_any, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def a(x: Any) -> int: ...\n"
        "def b(x: int) -> 'Optional[Any]': ...\n"
        "def c(*x: Any, **y: Any) -> dict[str, Any]: ...\n"
        "class D:\n    def e(self, *, x: list[Any]) -> None: ...\n"
    )
    bare, every = bare_any.count(tmp_path)
    assert [line.split()[-1] for line in bare] == ["a", "b", "e"] and every == 4
