"""The pages: links lead somewhere, the first one stays short."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for folder in ("", "data_prep", "examples", "tests", "vq_nat/*")
    for path in REPOSITORY.glob(f"{folder}/README.md".lstrip("/"))
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_files_that_a_tree_names_exist(page: Path) -> None:
    """Every name of a Python file or script in a page is that of a file."""
    text = page.read_text(encoding="utf-8")
    known = {
        path.name for path in REPOSITORY.rglob("*") if path.suffix in (".py", ".sh")
    }
    named = set(re.findall(r"(?<![\w*/.])([\w-]+\.(?:py|sh))\b", text))
    assert named <= known


def test_the_first_page_is_short() -> None:
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 150


def test_names_of_test_files_are_unique() -> None:
    """pytest imports them by their names: of two alike one would hide the other."""
    names = sorted(path.name for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert names == sorted(set(names))
