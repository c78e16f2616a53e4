"""What a language may be called is the same wherever its name is read."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.lib.names import check_languages
from data_prep.lib.steps import UserError
from vq_nat.engine.folder import languages_of
from vq_nat.fairseq_side.checkpoint_options import LANGUAGE
from vq_nat.languages import is_language


@pytest.mark.parametrize("name", ["de", "en_GB", "zh-Hant", "sr@latin", "日本"])
def test_a_name_of_a_language_is_one_everywhere(name: str) -> None:
    described = {"languages": ["x", name]}
    assert is_language(name) and LANGUAGE.passes(name)
    assert languages_of(described, Path("here")) == ("x", name)
    check_languages("x", name)


@pytest.mark.parametrize("name", ["", "..", ".de", "a/b", "a b", "a:b", "-s", 3, None])
def test_what_is_none_is_none_anywhere(name: Any) -> None:
    assert not is_language(name) and not LANGUAGE.passes(name)
    with pytest.raises(ValueError, match="must be two names"):
        languages_of({"languages": ["x", name]}, Path("here"))
    with pytest.raises(UserError, match="A language must be"):
        check_languages("x", name)
